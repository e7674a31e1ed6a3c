//! `cargo xtask pipeline`: runs a recipe, doing only what is not done yet.

use std::path::PathBuf;
use std::time::Instant;

use miss_data::Manifest;

use crate::config::{self, Resolved};
use crate::dry_run;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::log;
use crate::plan::{Plan, Stage};
use crate::run::Run;
use crate::run_folder::RunFolder;
use crate::summary;

#[derive(clap::Args)]
pub struct Arguments {
    /// The recipe, a TOML file [default: configs/quickstart.toml in the checkout]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a key of the recipe, for example --set pretrain.epochs=3; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where to compute: cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Do this stage and all after it again
    #[arg(long, value_name = "STAGE")]
    from: Option<Stage>,
    /// Stop after this stage
    #[arg(long, value_name = "STAGE")]
    until: Option<Stage>,
    /// Only show the stages, what is done, and what the rest will take
    #[arg(long)]
    dry_run: bool,
    /// Where to write; a folder named after the recipe is made inside [default: runs in the checkout]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let started = Instant::now();
    if let (Some(from), Some(until)) = (arguments.from, arguments.until)
        && from > until
    {
        let message = format!(
            "--from {} comes after --until {}",
            from.name(),
            until.name()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let config = load_config(arguments)?;
    let device = miss_engine::open_device(&arguments.device)
        .map_err(|error| Failure::new(Exit::Device, error.to_string()))?;
    let manifest = Manifest::read(&config.data.manifest).map_err(Failure::data)?;
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| config::workspace().join("runs"));
    let path = out.join(&config.name);
    let device_kind = arguments.device.split(':').next().unwrap_or_default();
    let plan = || {
        let stages = path.join("stages");
        Plan::new(&config, &manifest, device_kind, &stages, arguments.from)
    };
    if arguments.dry_run {
        let table = dry_run::table(&config, manifest.format, &plan(), &device, arguments.until)?;
        print!("{table}");
        return Ok(Exit::Ok);
    }

    // What is done is looked at once no other run can change it.
    let folder = RunFolder::open(&path)?;
    let plan = plan();
    let console = log::start(Some(folder.log()?));
    let interrupt = Interrupt::listen().map_err(|error| {
        Failure::new(Exit::Output, format!("cannot listen for Ctrl-C: {error}"))
    })?;
    save_config(&folder, &config)?;
    let run = Run {
        config,
        manifest,
        plan,
        device,
        device_name: arguments.device.clone(),
        console,
        interrupt,
        journal: folder.file("journal.jsonl"),
    };
    tracing::info!(
        recipe = run.config.name,
        recipe_hash = run.config.hash(),
        data = run.manifest.hash(),
        device = arguments.device,
        "recipe {} on {}, outputs in {}",
        run.config.name,
        arguments.device,
        path.display()
    );
    match run.execute(&folder, arguments.until) {
        Ok(done) => {
            print!(
                "{}",
                summary::text(&folder, &done.closing(started.elapsed()))?
            );
            Ok(Exit::Ok)
        }
        Err(failure) => {
            tracing::error!(target: log::FILE_ONLY, exit = failure.exit as u8, "{failure}");
            Err(failure)
        }
    }
}

fn load_config(arguments: &Arguments) -> Result<Resolved, Failure> {
    let quickstart = || config::workspace().join("configs/quickstart.toml");
    let path = arguments.config.clone().unwrap_or_else(quickstart);
    config::load(&path, &arguments.set)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

fn save_config(folder: &RunFolder, config: &Resolved) -> Result<(), Failure> {
    let path = folder.file("config.toml");
    let text = config
        .to_toml()
        .map_err(|error| Failure::output(&path, error))?;
    miss_data::write_atomic(&path, text.as_bytes()).map_err(|error| Failure::output(&path, error))
}
