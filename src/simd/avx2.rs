//! The kernel for processors with AVX2, with 32 bytes in a register.
//!
//! **Soundness.** Every intrinsic here needs AVX2 or BMI2 and nothing else. Loads take an array of the size loaded, so no
//! pointer can be wrong. Only [`Avx2::detect`] makes an [`Avx2`], after it has asked the processor, so a value of this
//! type proves that the intrinsics may be executed.

#![expect(
    unsafe_code,
    reason = "intrinsics of a processor that was asked for them; see the module's documentation"
)]

use std::arch::x86_64::{
    __m128i, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_add_epi8,
    _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_extract_epi64,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_packus_epi32, _mm256_set_m128i, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _pdep_u64,
};

use super::{DIGITS, Kernel, LOOK, Masked, Work};

/// Proof that the processor has AVX2 (and BMI1, BMI2 and LZCNT, which every such processor has).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor.
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt");
        has.then_some(Avx2(()))
    }

    /// Does the work in a function that is compiled for these instructions.
    #[inline]
    pub(super) fn run<W: Work>(self, work: W) -> W::Outcome {
        // SAFETY: `self` proves that the processor has the features that `run_here` is compiled for.
        unsafe { self.run_here(work) }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn run_here<W: Work>(self, work: W) -> W::Outcome {
        work.run(self)
    }
}

impl Kernel for Avx2 {
    #[inline(always)]
    fn non_digits(self, bytes: &[u8; LOOK]) -> u32 {
        // SAFETY: `self` proves AVX2; the load reads the 32 bytes of the array, for which no alignment is needed.
        unsafe {
            let bytes = _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>());
            // Digits become the ten largest signed bytes; all other bytes are smaller.
            let shifted = _mm256_add_epi8(bytes, _mm256_set1_epi8(0x7f - 0x39));
            let digits = _mm256_cmpgt_epi8(shifted, _mm256_set1_epi8(0x7f - 10));
            !_mm256_movemask_epi8(digits).cast_unsigned()
        }
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; LOOK], byte: u8) -> u32 {
        // SAFETY: as in `non_digits`.
        unsafe {
            let bytes = _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>());
            let equal = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
            _mm256_movemask_epi8(equal).cast_unsigned()
        }
    }

    #[inline(always)]
    fn up_to(self, bytes: &[u8; LOOK], last: u8) -> u32 {
        // SAFETY: as in `non_digits`.
        unsafe {
            let bytes = _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>());
            let smaller = _mm256_min_epu8(bytes, _mm256_set1_epi8(last.cast_signed()));
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(smaller, bytes)).cast_unsigned()
        }
    }

    #[inline(always)]
    fn place(self, bits: u64, before: u8) -> usize {
        // SAFETY: `self` proves BMI2.
        unsafe { _pdep_u64(1 << (before % 64), bits).trailing_zeros() as usize }
    }

    #[inline(always)]
    fn values(self, [one, other]: [Masked<'_>; 2]) -> [u64; 2] {
        // SAFETY: `self` proves AVX2; each load reads the 16 bytes of an array, for which no alignment is needed.
        unsafe {
            let digits = _mm256_set_m128i(load(other.0), load(one.0));
            let masks = _mm256_set_m128i(load(other.1), load(one.1));
            // Neighbours are joined to numbers of two, four and eight digits. Each fits its lane: the maximum is 99,
            // 9,999 and 99,999,999.
            let tens = _mm256_set1_epi16(1 << 8 | 10);
            let pairs = _mm256_maddubs_epi16(_mm256_and_si256(digits, masks), tens);
            let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(1 << 16 | 100));
            let packed = _mm256_packus_epi32(fours, fours);
            let eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(1 << 16 | 10_000));
            let [one, other] =
                [_mm256_extract_epi64::<0>(eights), _mm256_extract_epi64::<2>(eights)];
            [one, other].map(|eights| sixteen_digits(eights.cast_unsigned()))
        }
    }
}

/// Loads sixteen bytes.
///
/// # Safety
/// The processor must have SSE2, which all of this architecture have.
#[inline(always)]
unsafe fn load(bytes: &[u8; DIGITS]) -> __m128i {
    // SAFETY: the load reads the 16 bytes of the array, for which no alignment is needed.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>()) }
}

/// The value of sixteen digits, from the leading eight in the lower half and the other eight in the upper half.
#[inline(always)]
fn sixteen_digits(eights: u64) -> u64 {
    (eights & u64::from(u32::MAX)) * 100_000_000 + (eights >> 32)
}

/// Fetches the word's cache line before its use.
#[inline(always)]
pub(super) fn prefetch(word: &u64) {
    // SAFETY: it needs only SSE, which all processors of this architecture have. A prefetch reads nothing that the
    // program can see, for any pointer, and this pointer is to an existing word.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(word).cast::<i8>()) }
}
