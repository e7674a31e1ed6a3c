//! Numbers as a reader wants them.

/// "12,345".
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share from 0 to 1 as "61.4".
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// "3.2 s", "4 min 12 s", "2 h 5 min".
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if whole < 60 {
        format!("{whole} s")
    } else if whole < 3600 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{} h {} min", whole / 3600, whole % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(n), text);
        }
        assert_eq!(percent(208.0 / 1061.0), "19.6");
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (59.4, "59 s"),
            (59.9, "1 min 0 s"),
            (252.0, "4 min 12 s"),
            (7500.0, "2 h 5 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
