//! `swarmctl config`: this program's settings and their origins.

use clap::Subcommand;
use swarm_program::{exit::Exit, settings::Settings};

use crate::{
    output::{Listing, Output, table::Table},
    program::{globals::Globals, unflagged::or_list},
};

const EXAMPLES: &str = "\
Examples:
  swarmctl config list                         every setting with its value
  swarmctl config list --origin                and whether a flag, a variable or a file says so
  swarmctl config list --config lab.toml       what comes out of another file";

/// What to do with the settings.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// What to do; without it they are listed
    #[command(subcommand)]
    verb: Option<ConfigVerb>,
}

/// How to list the settings.
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Also say where each value comes from: a flag, a variable, a line of a file, or the default
    #[arg(long)]
    origin: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// List every setting with its value
    #[command(before_help = EXAMPLES)]
    List(ListArgs),
}

/// Lists the settings.
///
/// # Errors
///
/// When stdout is closed.
pub async fn run(args: Args, globals: &Globals, settings: &Settings) -> anyhow::Result<Exit> {
    let ConfigVerb::List(ListArgs { origin }) = or_list(args.verb, ConfigVerb::List)?;
    let mut table = if origin {
        Table::new(["KEY", "VALUE", "ORIGIN"])
    } else {
        Table::new(["KEY", "VALUE"])
    };
    let (mut values, mut names) = (Vec::new(), Vec::new());
    for setting in settings.iter() {
        let (key, value) = (setting.key.clone(), setting.shown());
        if origin {
            table.row([key.clone(), value, setting.origin.to_string()]);
        } else {
            table.row([key.clone(), value]);
        }
        values.push(setting.json());
        names.push(key);
    }
    Output::new(globals).list(&Listing {
        key: "settings",
        message: None,
        values,
        names,
        table,
        absent: &[],
    })?;
    Ok(Exit::Done)
}
