//! Whether two lines differ in what a processor can do, or in which one it is.
//!
//! Only the words in which they differ count: a text about `avx2` that was changed elsewhere does not
//! differ in the processor.

use std::collections::BTreeSet;

/// Words for what processors can do and which ones there are, as compilers, configure scripts and
/// `/proc/cpuinfo` write them, in lower case. Words with other meanings, such as `aes` or `lm`, are left out.
const WORDS: &str = "
    sse sse2 sse3 ssse3 sse4 sse41 sse42 sse4_1 sse4_2 sse4.1 sse4.2 sse4a misalignsse pni
    avx avx2 avxvnni avx_vnni avx512 avx512f avx512dq avx512ifma avx512cd avx512bw avx512vl avx512vbmi avx512er
    avx512pf avx512_bf16 avx512_fp16 avx512_vbmi2 avx512_vnni avx512_bitalg avx512_vpopcntdq avx512_vp2intersect
    amx_tile amx_int8 amx_bf16 amx-tile amx-int8 amx-bf16
    mmx mmxext 3dnow 3dnowext 3dnowprefetch fma fma3 fma4 f16c xop bmi bmi1 bmi2 abm lzcnt popcnt tbm
    pclmul pclmulqdq vpclmulqdq vaes gfni aesni aes-ni sha_ni rdrand rdseed adx movbe cx16 cmpxchg16b
    fxsr_opt pdpe1gb rdtscp constant_tsc nonstop_tsc rep_good nopl xtopology extd_apicid tsc_known_freq cpuid pcid
    x2apic tsc_deadline_timer xsave xsaveopt xsavec xsaves xgetbv1 xsaveerptr lahf_lm cmp_legacy cr8_legacy osvw
    topoext fsgsbase tsc_adjust smep smap erms invpcid clflushopt clwb clzero umip rdpid fsrm hypervisor
    neon asimd asimdhp asimddp asimdrdm atomics crc32 pmull sve sve2 evtstrm fphp lse cpuid
    x86-64-v1 x86-64-v2 x86-64-v3 x86-64-v4
    nehalem westmere sandybridge ivybridge haswell broadwell skylake skylake-avx512 cascadelake cooperlake
    icelake-client icelake-server tigerlake alderlake raptorlake sapphirerapids graniterapids rocketlake
    bdver1 bdver2 bdver3 bdver4 znver1 znver2 znver3 znver4 znver5 btver1 btver2
    cortex-a53 cortex-a57 cortex-a72 cortex-a76 neoverse-n1 neoverse-n2 neoverse-v1 neoverse-v2
    epyc xeon ryzen opteron athlon
";

/// Answers to a question. Where two lines differ in nothing else, what they ask counts.
const ANSWERS: [&str; 18] = [
    "yes", "no", "true", "false", "on", "off", "1", "0", "enabled", "disabled", "found", "not",
    "#define", "#undef", "define", "undef", "/*", "*/",
];

/// Most words of a line that asks for something.
const QUESTION: usize = 8;

/// Whether two texts differ, around a position of both, in words for a processor.
pub(crate) fn differs(first: &[u8], second: &[u8], at: usize) -> bool {
    let (a, b) = (words(line(first, at)), words(line(second, at)));
    let unlike: Vec<&String> = a.symmetric_difference(&b).collect();
    let named = unlike.iter().filter(|word| names_processor(word)).count();
    if named > 0 {
        return named * 2 >= unlike.len();
    }
    let answered = !unlike.is_empty() && unlike.iter().all(|word| ANSWERS.contains(&word.as_str()));
    answered && a.len() <= QUESTION && a.intersection(&b).any(|word| names_processor(word))
}

/// The line around a position, as far as it is there.
fn line(bytes: &[u8], at: usize) -> &[u8] {
    let at = at.min(bytes.len());
    let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |before| before + 1);
    let length = bytes[at..].iter().position(|&byte| byte == b'\n');
    length.map_or(&bytes[start..], |length| &bytes[start..at + length])
}

fn words(line: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(line).to_ascii_lowercase();
    let parts = text.split(|c: char| c.is_whitespace() || ":,;\"'()[]{}<>|=".contains(c));
    parts
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a word is one for a processor: as it is, as an option of a compiler, or as part of a name
/// such as `HAVE_AVX2`.
fn names_processor(word: &str) -> bool {
    let known = |word: &str| WORDS.split_ascii_whitespace().any(|known| known == word);
    let bare = word.trim_start_matches(['-', '+']);
    let option = bare.strip_prefix('m').unwrap_or(bare);
    let option = option.strip_prefix("no-").unwrap_or(option);
    known(bare) || known(option) || bare.split('_').any(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unlike(first: &str, second: &str) -> bool {
        let at = first.bytes().zip(second.bytes()).take_while(|(a, b)| a == b).count();
        differs(first.as_bytes(), second.as_bytes(), at)
    }

    #[test]
    fn only_what_differs_counts() {
        assert!(unlike("x\nflags\t: fpu sse2 ht avx2\ny", "x\nflags\t: fpu sse2 ht\ny"));
        assert!(unlike("gcc -march=haswell -c", "gcc -march=x86-64-v2 -c"));
        assert!(unlike("+avx2,+bmi1", "+bmi1"));
        assert!(unlike("HAVE_AVX2 = yes", "HAVE_AVX2 = no"));
        assert!(!unlike("built by ann for avx2", "built by bob for avx2"));
        assert!(!unlike("one\navx2", "two\navx2"));
        assert!(!unlike("yes", "no"));
        assert!(!unlike(
            "we have tested avx2 at home and at work: yes",
            "we have tested avx2 at home and at work: no"
        ));
        // One of many words that differ is a chance.
        assert!(!unlike(
            "a story of the avx2 and of kings",
            "another tale with queens in a far country"
        ));
    }
}
