//! The `silo` program: parses the command line, carries the command out, says why it failed, exits.

mod shell;

use std::process::exit;

use clap::Parser;
use clap::error::ErrorKind;

use shell::cli::Cli;
use shell::failure::code;
use shell::ui::Ui;

#[expect(clippy::disallowed_methods, reason = "only main exits; reading standard input may block a thread for ever")]
fn main() {
    exit(i32::from(run()));
}

fn run() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let printed = error.print().is_ok();
            return if wanted && printed { 0 } else { code::USAGE };
        }
    };
    let ui = Ui::new(cli.color, cli.quiet);
    std::panic::set_hook(Box::new(move |info| {
        shell::ui::restore_terminal();
        ui.error(
            &format!("silo has a bug: {info}"),
            Some("please report it with the command line and the configuration that led here; nothing of yours was changed by the report"),
        );
    }));
    match std::panic::catch_unwind(|| shell::command::dispatch(cli, &ui)) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            ui.failure(&failure);
            failure.code()
        }
        Err(_) => code::BUG,
    }
}
