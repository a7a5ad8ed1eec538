//! The stacks of CloudFormation.

pub mod loss;
pub mod names;
pub mod parameters;
pub mod stack;
