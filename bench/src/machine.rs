//! The machine itself: what a processor and the disk that the buses lie on take for a fixed piece of
//! work. Subject and control are the same, so that its ratio tells how far apart two equal things
//! are measured on this machine.

use std::fs::File;
use std::hint::black_box;
use std::io::{Seek, Write};
use std::time::Instant;

use anyhow::Context;

use crate::paired::{Rounds, paired};
use crate::row::{Bench, Row};

/// The machine itself.
pub const BENCH: Bench = Bench {
    name: "machine",
    rounds: 30,
    run: measure,
};

fn measure(rounds: Rounds) -> anyhow::Result<Vec<Row>> {
    let file = tempfile::tempfile().context("no temporary file can be made")?;
    let processor = paired(rounds, || Ok(multiply()), || Ok(multiply()))?;
    let disk = paired(rounds, || make_durable(&file), || make_durable(&file))?;
    Ok(vec![
        Row::new(
            "one core, 10 million multiplications, against itself",
            "ms",
            processor,
        ),
        Row::new(
            "4 KiB made durable on this disk, against itself",
            "ms",
            disk,
        ),
    ])
}

fn multiply() -> f64 {
    let began = Instant::now();
    let mut number: u64 = 1;
    for _ in 0..10_000_000 {
        number = black_box(
            number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        );
    }
    black_box(number);
    milliseconds(began)
}

fn make_durable(mut file: &File) -> anyhow::Result<f64> {
    let began = Instant::now();
    file.rewind()
        .and_then(|()| file.write_all(&[7; 4096]))
        .and_then(|()| file.sync_data())
        .context("the disk cannot be written")?;
    Ok(milliseconds(began))
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
