//! `local`: the bus on this machine, in front (`up`) and from another terminal (all others).

mod ask;
mod env;
mod status;
mod up;

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

use super::Output;

/// The bus on this machine.
#[derive(Subcommand, Debug)]
pub enum LocalCommand {
    /// Start the bus and stay in front until interrupted. What it made is kept and used again.
    #[command(
        after_help = "Example:\n  svom-messaging local up -f manifests/examples/minimal.yaml\n\n\
        Clients connect to the port and, for the other servers, those after it; websockets, where the \
        resource enables them, take the ports 1000 higher, routes between servers those 2000 higher."
    )]
    Up(UpArgs),
    /// Bring the running bus to another resource; without a restart where a reload does.
    Apply(ApplyArgs),
    /// How the bus is; exit code 0 only when everything is formed and proven.
    Status(StatusArgs),
    /// Kill a server (kill -9); it stays down until `start`.
    Kill(ServerArgs),
    /// Stop a server in lame duck: it hands over and sends its clients away; it stays down until `start`.
    Stop(ServerArgs),
    /// Start a server that is down.
    Start(ServerArgs),
    /// What a user's service exports to connect; the secret itself only with --reveal.
    Env(EnvArgs),
    /// Stop the bus.
    Down(DownArgs),
}

#[derive(Args, Debug)]
struct DirArgs {
    /// State folder: keys, certificates, credentials, messages.
    #[arg(long, value_name = "DIR", default_value = ".svom")]
    dir: PathBuf,
}

/// Arguments of `up`.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// The resource; `-` reads it from standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    dir: DirArgs,
    /// Port of the first server.
    #[arg(long, default_value_t = 4222)]
    port: u16,
    /// Folder with the Secrets that the resource names: DIR/NAME/KEY is a file.
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// The nats-server program. Left out: the one on PATH, else one that is built once with Go.
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
}

/// Arguments of `apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// The resource as it shall be; `-` reads it from standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    dir: DirArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    dir: DirArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Arguments of what concerns one server.
#[derive(Args, Debug)]
pub struct ServerArgs {
    /// The server, as `status` names it.
    #[arg(value_name = "SERVER")]
    server: String,
    #[command(flatten)]
    dir: DirArgs,
}

/// Arguments of `env`.
#[derive(Args, Debug)]
pub struct EnvArgs {
    /// The user.
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    dir: DirArgs,
    /// Print the secret too, for `eval "$(svom-messaging local env USER --reveal)"`.
    #[arg(long)]
    reveal: bool,
}

/// Arguments of `down`.
#[derive(Args, Debug)]
pub struct DownArgs {
    #[command(flatten)]
    dir: DirArgs,
    /// Delete the state folder: messages, keys and credentials are gone for good.
    #[arg(long)]
    delete: bool,
}

/// Runs one of the commands.
pub(super) fn run(command: LocalCommand) -> anyhow::Result<ExitCode> {
    match command {
        LocalCommand::Up(args) => up::run(args),
        LocalCommand::Apply(args) => ask::apply(&args),
        LocalCommand::Status(args) => status::run(&args),
        LocalCommand::Kill(args) => ask::kill(args),
        LocalCommand::Stop(args) => ask::stop(args),
        LocalCommand::Start(args) => ask::start(args),
        LocalCommand::Env(args) => env::run(&args),
        LocalCommand::Down(args) => ask::down(&args),
    }
}
