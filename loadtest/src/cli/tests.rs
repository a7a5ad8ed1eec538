use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

const PAGES: [&str; 2] = [include_str!("../../../README.md"), include_str!("../../README.md")];
/// How a command begins.
const STARTS: [&str; 2] = ["cargo run --release -p loadtest -- ", "loadtest "];

#[test]
fn the_commands_of_the_pages_are_understood() {
    let blocks = PAGES.iter().flat_map(|page| page.split("```").skip(1).step_by(2));
    let shown = blocks.flat_map(str::lines).filter_map(|line| {
        let command = line.split(" #").next()?;
        STARTS.iter().find_map(|start| command.strip_prefix(start))
    });
    let shown: Vec<_> = shown.collect();
    assert!(shown.len() >= 7, "{shown:?}");
    for command in shown {
        let parsed = Cli::try_parse_from(["loadtest"].into_iter().chain(command.split_whitespace()));
        assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
    }
}
