//! Prices are exact and caps hold.

use miss_data::mix;
use miss_transcap::price::{Caps, Ledger, Prices, Reserved, Spent, Usd};

#[test]
fn prices_are_exact() {
    let prices = Prices {
        input: 0.15,
        output: 0.6,
    };
    // 1,234,567 · 0.15 + 89 · 0.60 micro-dollars.
    let spent = prices.of(1_234_567, 89);
    assert_eq!(spent.pico_usd, Usd(185_185_050_000 + 53_400_000));
    assert_eq!(spent.pico_usd.to_string(), "$0.185239");
    assert_eq!(
        prices.of(1_000_000, 1_000_000).pico_usd,
        Usd(750_000_000_000)
    );
    assert_eq!(Usd::from_dollars(0.75), Usd(750_000_000_000));
    assert_eq!(Usd::from_dollars(-1.0), Usd(0));
    assert_eq!(Usd::from_dollars(f64::NAN), Usd(0));
    // Not to be had for nothing by a small price.
    assert_eq!(
        Prices {
            input: 1e-9,
            output: 0.0
        }
        .of(7, 7)
        .pico_usd,
        Usd(7)
    );
}

/// Random orders of starts and ends of calls that cost anything up to what was reserved: what is spent and what may
/// still be spent, added up apart, is never above a cap, and what is refused for good did not fit.
#[test]
fn no_order_of_calls_passes_a_cap() {
    let mut refused = 0;
    for seed in 0..300_u64 {
        let mut step = 0;
        let mut random = |below: u64| {
            step += 1;
            mix(&[seed, step]) % below
        };
        let prices = Prices {
            input: 2.0,
            output: 8.0,
        };
        let caps = Caps {
            usd: (seed % 3 != 0).then_some(0.002),
            tokens: (seed % 3 != 1).then_some(400),
        };
        let mut ledger = Ledger::new(&caps, Spent::default());
        let mut calls: Vec<Spent> = Vec::new();
        let (mut dollars, mut tokens) = (0_u64, 0_u64);
        for _ in 0..200 {
            if random(2) == 0 {
                let at_most = prices.of(random(60), random(60));
                let open_pico: u64 = calls.iter().map(|call| call.pico_usd.0).sum();
                let open_tokens: u64 = calls.iter().map(|call| call.input + call.output).sum();
                let fits = caps
                    .usd
                    .is_none_or(|_| dollars + open_pico + at_most.pico_usd.0 <= 2_000_000_000)
                    && caps
                        .tokens
                        .is_none_or(|cap| tokens + open_tokens + at_most.tokens() <= cap);
                match ledger.reserve(at_most) {
                    Reserved::Yes => {
                        assert!(fits);
                        calls.push(at_most);
                    }
                    Reserved::Later => assert!(!fits && !calls.is_empty()),
                    Reserved::Never(_) => {
                        assert!(!fits && calls.is_empty());
                        refused += 1;
                    }
                }
            } else if !calls.is_empty() {
                let at_most = calls.swap_remove(random(calls.len() as u64) as usize);
                let paid = prices.of(random(at_most.input + 1), random(at_most.output + 1));
                ledger.settle(at_most, paid);
                dollars += paid.pico_usd.0;
                tokens += paid.tokens();
            }
            assert!(caps.usd.is_none() || dollars <= 2_000_000_000);
            assert!(caps.tokens.is_none_or(|cap| tokens <= cap));
            assert_eq!(ledger.spent().pico_usd.0, dollars);
        }
    }
    assert!(refused > 100, "{refused}: the caps were hardly reached");
}
