use super::{Kernel, Simd, Tier, TierError, Twice, dispatch, dispatch_on, tier, use_tier};

/// Every lane operation against its scalar meaning, at values that include signed zeros, infinities and NaN, and with other
/// operands in each lane.
#[derive(Clone, Copy)]
struct Lanes;

const VALUES: [f32; 12] =
    [0.0, -0.0, 1.0, 1.0 + f32::EPSILON, -1.5, 2.5, 3.5, 1e30, -1e-30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
/// (1 + ε)² − 1 is 2ε + ε² rounded once, and 2ε if the product is rounded first.
const ADDENDS: [f32; 3] = [0.25, -1.0, 1e-30];

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

impl Kernel for Lanes {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        let triples = VALUES.into_iter().flat_map(|a| VALUES.into_iter().map(move |b| (a, b)));
        let mut triples: Vec<_> = triples.flat_map(|(a, b)| ADDENDS.map(|c| [a, b, c])).collect();
        triples.extend_from_within(..S::LANES);
        for lanes in triples.windows(S::LANES) {
            let [a, b, c] = [0, 1, 2].map(|operand| {
                let values: Vec<f32> = lanes.iter().map(|triple| triple[operand]).collect();
                // SAFETY: there are LANES values.
                unsafe { s.load(values.as_ptr()) }
            });
            type Scalar = fn(f32, f32, f32) -> f32;
            // `f32::mul_add` is the C library's where the processor isn't known to have it, and MinGW's rounds twice.
            let cases: [(&str, S::V, Scalar); 12] = [
                ("add", s.add(a, b), |a, b, _| a + b),
                ("sub", s.sub(a, b), |a, b, _| a - b),
                ("mul", s.mul(a, b), |a, b, _| a * b),
                ("max", s.max(a, b), |a, b, _| if a > b { a } else { b }),
                ("min", s.min(a, b), |a, b, _| if a < b { a } else { b }),
                ("div", s.div(a, b), |a, b, _| a / b),
                ("sqrt", s.sqrt(a), |a, _, _| a.sqrt()),
                ("fma", s.fma(a, b, c), libm::fmaf),
                ("abs", s.abs(a), |a, _, _| a.abs()),
                ("copysign", s.copysign(a, b), |a, b, _| a.copysign(b)),
                ("upper", s.upper(a), |a, _, _| f32::from_bits(a.to_bits() & !0xfff)),
                ("select_less", s.select_less(a, b, c, a), |a, b, c| if a < b { c } else { a }),
            ];
            for (name, v, scalar) in cases {
                let mut found = vec![0.0; S::LANES];
                // SAFETY: `found` has LANES values.
                unsafe { s.store(found.as_mut_ptr(), v) };
                for (&[a, b, c], x) in lanes.iter().zip(found) {
                    // Portable may round the product too.
                    let unfused = name == "fma" && S::TIER == Tier::Portable && same(x, a * b + c);
                    assert!(same(x, scalar(a, b, c)) || unfused, "{}: {name}({a}, {b}, {c}) = {x}", S::TIER);
                }
            }
        }
    }
}

/// A factor from each lane.
#[derive(Clone, Copy)]
struct ByLane;

impl Kernel for ByLane {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        let values: Vec<f32> = (0..S::LANES).map(|i| VALUES[i % VALUES.len()]).collect();
        // SAFETY: there are LANES values.
        let a = unsafe { s.load(values.as_ptr()) };
        for lane in 0..S::LANES {
            let mut found = vec![0.0; S::LANES];
            let mut expected = found.clone();
            // SAFETY: both have LANES values.
            unsafe {
                s.store(found.as_mut_ptr(), s.fma_lane(a, lane, s.splat(1.0 + f32::EPSILON), s.splat(-1.0)));
                s.store(
                    expected.as_mut_ptr(),
                    s.fma(s.splat(values[lane]), s.splat(1.0 + f32::EPSILON), s.splat(-1.0)),
                );
            }
            let all_same = found.iter().zip(&expected).all(|(&a, &b)| same(a, b));
            assert!(all_same, "{}: lane {lane}: {found:?} for {expected:?}", S::TIER);
        }
    }
}

/// Rounding to an integer, and scaling by each power of two, from and to subnormal numbers too.
#[derive(Clone, Copy)]
struct Integers;

impl Kernel for Integers {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        let lane = |v: S::V| {
            let mut lanes = vec![0.0; S::LANES];
            // SAFETY: `lanes` has LANES values.
            unsafe { s.store(lanes.as_mut_ptr(), v) };
            assert!(lanes.iter().all(|&x| same(x, lanes[0])));
            lanes[0]
        };
        for x in (-40..=40).map(|i| i as f32 / 8.0).chain([0.499_999_97, -4_194_303.5, 4_194_304.0]) {
            assert_eq!(lane(s.round(s.splat(x))), x.round_ties_even(), "{}: {x}", S::TIER);
        }
        for a in [1.0, -1.999_999_9, 1.1e-30, -0.7, 3e38, 0.0, f32::INFINITY, f32::NAN] {
            for n in -252..=254 {
                let exact = (f64::from(a) * 2f64.powi(n)) as f32;
                let found = lane(s.scale(s.splat(a), s.splat(n as f32)));
                assert!(same(found, exact), "{}: {a}, {n}: {found} for {exact}", S::TIER);
                if (-190..=63).contains(&n) && exact.abs() < 2f32.powi(60) {
                    let found = lane(s.scale_down(s.splat(a), s.splat(n as f32)));
                    assert!(same(found, exact), "{}: {a}, {n} down: {found} for {exact}", S::TIER);
                }
            }
        }
    }
}

/// Partial loads and stores move exactly `n` values.
#[derive(Clone, Copy)]
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

/// A kernel, by itself and in pairs of vectors.
struct AlsoTwice<K>(K);

impl<K: Kernel<Output = ()> + Copy> Kernel for AlsoTwice<K> {
    type Output = ();

    fn run<S: Simd>(self, s: S) {
        self.0.run(s);
        self.0.run(Twice(s));
    }
}

#[test]
fn every_tier_means_the_same() {
    for tier in Tier::available() {
        dispatch_on(tier, AlsoTwice(Lanes));
        dispatch_on(tier, AlsoTwice(ByLane));
        dispatch_on(tier, AlsoTwice(Integers));
        dispatch_on(tier, AlsoTwice(Parts));
        dispatch_on(tier, AlsoTwice(Transposition));
    }
}

/// The tier of the token that a kernel gets.
struct Dispatched;

impl Kernel for Dispatched {
    type Output = Tier;

    fn run<S: Simd>(self, _: S) -> Tier {
        S::TIER
    }
}

#[test]
fn a_kernel_runs_on_the_tier_that_was_asked_for() {
    for tier in Tier::available() {
        assert_eq!(dispatch_on(tier, Dispatched), tier);
    }
    assert_eq!(dispatch(Dispatched), tier());
}

#[test]
fn the_tier_of_a_process_does_not_change() {
    let decided = tier();
    for other in Tier::ALL {
        let expected = match other {
            _ if other == decided => Ok(()),
            _ if other.is_available() => Err(TierError::Decided(decided)),
            _ => Err(TierError::Unavailable(other)),
        };
        assert_eq!(use_tier(other), expected);
    }
}

#[test]
fn names_round_trip_and_unknown_ones_are_refused() {
    for tier in Tier::ALL {
        assert_eq!(tier.name().parse(), Ok(tier));
    }
    let error = "sse9".parse::<Tier>().unwrap_err();
    assert_eq!(error.to_string(), r#"expected portable, neon, avx2 or avx512, found "sse9""#);
}

/// The transposition of every number of rows, between steps that aren't the width.
#[derive(Clone, Copy)]
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
