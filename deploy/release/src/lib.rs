//! `cargo deploy`: packages what runs on AWS, and brings it there.
//!
//! Each verb is a module. AWS is asked through its command line, `aws`: whoever deploys has it, with credentials and region as
//! they want them, and no further SDK has to be compiled.

pub mod aws;
pub mod down;
pub mod package;
pub mod paths;
pub mod rehearse;
pub mod side;
pub mod stacks;
pub mod swap;
pub mod up;
