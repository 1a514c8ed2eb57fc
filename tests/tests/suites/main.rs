//! The suites of a bus, each a module, in one program: while tests of one wait for their servers, those of
//! another have the machine.

mod apply;
mod attacks;
mod building;
mod changes;
mod durables;
mod interop;
mod power_cut;
mod rights;
mod smallest;
mod strings;
mod websocket;
mod websocket_settings;
mod wrong_input;
