//! Cache lines.

use std::sync::OnceLock;

/// `f32` values in a cache line of 64 bytes. No processor has shorter lines, so one prefetch for every 64 bytes is enough. No vector
/// is longer.
pub const LINE: usize = 16;

/// The longest line that is believed, in bytes.
const LONGEST: usize = 256;

/// `f32` values in this processor's cache line, which the system is asked for: 16, or 32 on Apple's. Long arrays begin on one.
pub fn line() -> usize {
    static LINE_BYTES: OnceLock<usize> = OnceLock::new();
    let bytes = *LINE_BYTES.get_or_init(|| {
        let known = |bytes: &usize| bytes.is_power_of_two() && *bytes <= LONGEST;
        ask().filter(known).unwrap_or(0).max(size_of::<[f32; LINE]>())
    });
    bytes / size_of::<f32>()
}

/// Bytes of a line, as Apple's systems report them: 128. The register that is read elsewhere says 64 there.
#[cfg(all(target_vendor = "apple", not(miri)))]
fn ask() -> Option<usize> {
    use std::ffi::{c_char, c_int, c_void};
    unsafe extern "C" {
        fn sysctlbyname(
            name: *const c_char,
            old: *mut c_void,
            old_length: *mut usize,
            new: *mut c_void,
            new_length: usize,
        ) -> c_int;
    }
    let mut bytes = 0_u64;
    let mut length = size_of_val(&bytes);
    // SAFETY: the name is a C string; `bytes` has room for `length` bytes, and nothing is set.
    let status = unsafe {
        sysctlbyname(c"hw.cachelinesize".as_ptr(), (&raw mut bytes).cast(), &raw mut length, std::ptr::null_mut(), 0)
    };
    usize::try_from(bytes).ok().filter(|_| status == 0 && length == size_of_val(&bytes))
}

/// Bytes of the shortest data line of all caches: the cache type register, which Linux lets programs read.
#[cfg(all(target_arch = "aarch64", target_os = "linux", not(miri)))]
fn ask() -> Option<usize> {
    let register: u64;
    // SAFETY: the register is read, and nothing else happens; Linux emulates the instruction where the processor traps it.
    unsafe { std::arch::asm!("mrs {}, ctr_el0", out(reg) register, options(nomem, nostack, preserves_flags)) };
    // Bits 16 to 19: the logarithm of the number of words of four bytes.
    Some(4 << (register >> 16 & 0xf))
}

/// x86-64 has lines of 64 bytes; other systems aren't asked.
#[cfg(not(any(
    all(target_vendor = "apple", not(miri)),
    all(target_arch = "aarch64", target_os = "linux", not(miri))
)))]
fn ask() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_power_of_two_and_holds_a_vector() {
        assert!(line().is_power_of_two() && (LINE..=LONGEST / size_of::<f32>()).contains(&line()), "{}", line());
        if cfg!(target_arch = "x86_64") {
            assert_eq!(line(), LINE);
        }
    }
}
