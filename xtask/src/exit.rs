//! The exit codes: what a script may rely on.

/// How a run ended. The numbers are a promise; new ones may be added.
///
/// A panic ends with 101, as in every Rust program: that is a fault of MISS and worth a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The command line or the configuration is wrong; nothing was started.
    Usage = 2,
    /// Data is missing, changed or broken.
    Data = 3,
    /// A split declared disjoint, or a test set that is audited, shares images or linked questions with training.
    Leak = 4,
    /// Outputs cannot be written: no permission, not a folder, disk full, or another run holds the folder.
    Output = 5,
    /// Training, prediction or scoring failed.
    Compute = 6,
    /// The device is not there, or this build cannot use it.
    Device = 7,
    /// Stopped by Ctrl-C or SIGTERM; the state is saved and the same command goes on.
    Interrupted = 130,
}

/// The table shown below `--help`.
pub const HELP: &str = "\
Exit codes:
    0  done
    2  the command line or the configuration is wrong
    3  data is missing, changed or broken
    4  a split declared disjoint, or a test set audited, leaks from training into test
    5  outputs cannot be written
    6  training, prediction or scoring failed
    7  the device is not available
  130  interrupted; the same command goes on where it stopped";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_code() {
        let all = [
            Exit::Ok,
            Exit::Usage,
            Exit::Data,
            Exit::Leak,
            Exit::Output,
            Exit::Compute,
            Exit::Device,
            Exit::Interrupted,
        ];
        let listed: Vec<u8> = HELP
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        assert_eq!(listed, all.map(|exit| exit as u8));
    }
}
