//! Integration tests of the gateway's parts against real servers.
mod bus;
mod rooms;
mod support;
