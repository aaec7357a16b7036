use super::{Kernel, Simd, Tier, dispatch_on};

/// Every lane operation against its scalar meaning, at values that include signed zeros, infinities and NaN.
struct Lanes;

const VALUES: [f32; 11] = [0.0, -0.0, 1.0, -1.5, 2.5, 3.5, 1e30, -1e-30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

impl Kernel for Lanes {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        let all = |v: S::V| -> Vec<f32> {
            let mut lanes = vec![0.0; S::LANES];
            // SAFETY: `lanes` has LANES values.
            unsafe { s.store(lanes.as_mut_ptr(), v) };
            lanes
        };
        for a in VALUES {
            for b in VALUES {
                let (va, vb) = (s.splat(a), s.splat(b));
                let cases: [(&str, S::V, f32); 5] = [
                    ("add", s.add(va, vb), a + b),
                    ("sub", s.sub(va, vb), a - b),
                    ("mul", s.mul(va, vb), a * b),
                    ("max", s.max(va, vb), if a > b { a } else { b }),
                    ("fma", s.fma(va, vb, s.splat(0.25)), a * b + 0.25),
                ];
                for (name, v, want) in cases {
                    // Portable rounds the product too, unless the build enables FMA.
                    let fused = if name == "fma" { a.mul_add(b, 0.25) } else { want };
                    let right = |x: &f32| same(*x, want) || same(*x, fused);
                    assert!(all(v).iter().all(right), "{}: {name}({a}, {b}) = {:?}", S::TIER, all(v));
                }
            }
        }
    }
}

/// Partial loads and stores move exactly `n` values.
struct Parts;

impl Kernel for Parts {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        for n in 0..=S::LANES {
            let source: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            let mut target = vec![-1.0; S::LANES + 1];
            // SAFETY: `source` has `n` values and no more, `target` has LANES + 1.
            let v = unsafe { s.load_first(source.as_ptr(), n) };
            // SAFETY: as above.
            unsafe { s.store(target.as_mut_ptr(), v) };
            assert_eq!(target[..n], source);
            assert!(target[n..S::LANES].iter().all(|&x| x == 0.0));

            let mut exact = vec![-1.0; n];
            // SAFETY: `exact` has `n` values and no more.
            unsafe { s.store_first(exact.as_mut_ptr(), v, n) };
            assert_eq!(exact, source);
        }
    }
}

#[test]
fn every_tier_means_the_same() {
    for tier in Tier::available() {
        dispatch_on(tier, Lanes);
        dispatch_on(tier, Parts);
    }
}

#[test]
fn names_round_trip_and_unknown_ones_are_refused() {
    for tier in Tier::ALL {
        assert_eq!(tier.name().parse(), Ok(tier));
    }
    let error = "sse9".parse::<Tier>().unwrap_err();
    assert_eq!(error.to_string(), r#"expected portable, avx2 or avx512, found "sse9""#);
}

/// The transposition of every number of rows, between steps that aren't the width.
struct Transposition;

impl Kernel for Transposition {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        let (from_step, to_step) = (S::LANES + 3, S::LANES + 5);
        for n in 0..=S::LANES {
            let from: Vec<f32> = (0..n * from_step).map(|i| i as f32).collect();
            let mut to = vec![-1.0; S::LANES * to_step];
            // SAFETY: there are `n` rows and LANES rows, at least LANES values apart.
            unsafe { s.transpose(from.as_ptr(), from_step, n, to.as_mut_ptr(), to_step) };
            for (j, row) in to.chunks(to_step).enumerate() {
                for (i, &value) in row.iter().enumerate() {
                    let want = match i {
                        _ if i < n => from[i * from_step + j],
                        _ if i < S::LANES => 0.0,
                        _ => -1.0,
                    };
                    assert_eq!(value, want, "{}: {n} rows, [{j}, {i}]", S::TIER);
                }
            }
        }
    }
}

#[test]
fn every_tier_transposes() {
    Tier::available().for_each(|tier| dispatch_on(tier, Transposition));
}
