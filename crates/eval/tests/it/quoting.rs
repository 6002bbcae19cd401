//! Values in holes of scripts reach the command that they were written for, as bash and dash run it.

use std::process::Command;

use cbuild_eval::Limits;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::with_value;

/// The scripts of a list as a shell gets them.
fn scripts(list: &str) -> Vec<String> {
    let json =
        with_value("", list, Limits::default(), |evaluator, value| evaluator.to_json(&value));
    let json = json.unwrap();
    let items = json.as_array().unwrap().iter();
    items.map(|item| item["text"].as_str().unwrap().to_owned()).collect()
}

fn script(source: &str) -> String {
    scripts(&format!("[{source}]")).remove(0)
}

#[expect(clippy::disallowed_methods, reason = "the shell itself says what it makes of a script")]
fn run(shell: &str, script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    // What a pattern with a range would find.
    std::fs::write(folder.path().join("b"), "").unwrap();
    let out = Command::new(shell).args(["-c", script]).current_dir(folder.path()).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Values that are harmless alone, and some that are not.
const VALUES: [&str; 30] = [
    "2",
    "abc",
    "A=b",
    "if",
    "done",
    "in",
    "a,b",
    "1..3",
    "a-c",
    "~",
    "+",
    "@",
    "=",
    "a:",
    "-n",
    "",
    "it's",
    "two words",
    "$HOME",
    "$(echo no)",
    "`echo no`",
    "*",
    "\\",
    "\"",
    "#",
    "a\nb",
    "!",
    "{",
    "é",
    "x=",
];

/// Scripts that print `[…V…]` where `V` is the value of the hole `#{V}`.
const PLACES: [&str; 26] = [
    r##"printf '[%s]' #{V}"##,
    r##"printf '[%s]' x#{V}y"##,
    r##"v=r; printf '[%s]' $v#{V}"##,
    r##"v=r; printf '[%s]' ${v}#{V}"##,
    r##"v=r; printf '[%s]' "$v"#{V}"##,
    r##"printf '[%s]' $#{V}"##,
    r##"printf '[%s]' ~#{V}"##,
    r##"printf '[%s]' #{V}~"##,
    r##"printf '[%s]' --x=#{V}"##,
    r##"printf '[%s]' {a,#{V}}"##,
    r##"printf '[%s]' {#{V}}"##,
    r##"printf '[%s]' [#{V}]"##,
    r##"printf '[%s]' 'a b'#{V}\ c"##,
    r##"printf '[%s]' #{V}>f; cat f"##,
    r##"printf '[%s]' 1#{V}>f; cat f"##,
    r##"printf '[%s]' #{V};"##,
    r##"printf '[%s]' #{V}|cat"##,
    r##"(printf '[%s]' #{V})"##,
    r##"printf '[%s]' $(printf '%s' #{V})"##,
    r##"printf '[%s]' "$(printf '%s' #{V})""##,
    r##"x=#{V}; printf '[%s]' "$x""##,
    r##"export x=#{V}; printf '[%s]' "$x""##,
    r##"for x in #{V}; do printf '[%s]' "$x"; done"##,
    r##"case #{V} in *) printf '[%s]' #{V} ;; esac"##,
    r##"cat <<E; printf '[%s]' #{V}
it's $((1 + 1)) "
E
"##,
    "# it's a comment \"\nprintf '[%s]' #{V}",
];

/// A literal of the language for a text.
fn literal(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// What a place prints is what it prints for a word that no shell looks into.
#[test]
fn values_arrive_as_they_are() {
    for place in PLACES {
        let literals = VALUES.map(|value| {
            format!(
                "sh\"\"\"\n{}\n\"\"\"",
                place.replace("#{V}", &format!("#{{{}}}", literal(value)))
            )
        });
        let found = scripts(&format!("[{}]", literals.join(", ")));
        let wanted = VALUES.map(|value| {
            let quoted = format!("'{}'", value.replace('\'', r"'\''"));
            place.replace("$#{V}", &format!("'$'{quoted}")).replace("#{V}", &quoted)
        });
        for shell in ["bash", "dash"] {
            // Each in a shell of its own, so that what one of them breaks is not broken for all.
            let all = |scripts: &[String]| {
                let quote = |script: &String| script.replace('\'', r"'\''");
                let each =
                    scripts.iter().map(|script| format!("{shell} -c '{}'; echo", quote(script)));
                run(shell, &each.collect::<Vec<_>>().join("\n"))
            };
            let (printed, expected) = (all(&found), all(&wanted));
            assert_eq!(printed, expected, "{shell}: {place}\n{found:#?}");
        }
    }
}

/// What the quoting rules of the specification say, one by one.
#[test]
fn values_stay_bare_where_that_means_the_same() {
    let cases = [
        (r##"echo #{"2"}>f"##, "echo '2'>f"),
        (r##"echo #{2}>f"##, "echo '2'>f"),
        (r##"echo $HOME#{"abc"}"##, "echo $HOME'abc'"),
        (r##"#{"A=b"} cmd"##, "'A=b' cmd"),
        (r##"cmd #{"A=b"}"##, "cmd A=b"),
        (r##"#{"A"}=#{"b"} cmd"##, "A=b cmd"),
        (r##"x; #{"if"} y"##, "x; 'if' y"),
        (r##"x #{"if"} y"##, "x 'if' y"),
        (r##"[[ #{"-n"} == x && y =~ #{"."} ]] || #{"z"}"##, "[[ '-n' == x && y =~ '.' ]] || z"),
        (r##"time -p #{"A=b"} c; time #{"-p"} d"##, "time -p 'A=b' c; time '-p' d"),
        (r##"coproc #{"A=b"}; x=a#{"b"}:~/c"##, "coproc 'A=b'; x=a'b':~/c"),
        (r##"{#{"n"}}>f"##, "{'n'}>f"),
        (r##"$out/bin/#{"tool"}"##, "$out/bin/tool"),
        (r##"--prefix=#{"/usr"} -j#{4}"##, "--prefix=/usr -j4"),
        (r##"$#{"x"} $#{"a b"}"##, r"$\x $\a' b'"),
        // Not for shells, but words of plain characters all the same.
        (r##"#{"A=b"}"##, "A=b"),
        (r##"#{"done"}"##, "done"),
        (r##"<port>#{8080}</port>"##, "<port>8080</port>"),
        (r##"{"port":#{8080},"of":[#{1},#{-2}]}"##, r#"{"port":8080,"of":[1,-2]}"#),
        // Within quotes as if it stood alone.
        (r##"CC="#{"gcc"} -O#{2}""##, r#"CC="gcc -O2""#),
        (r##"$((#{1}+#{2}))"##, "$((1+2))"),
    ];
    for (source, wanted) in cases {
        assert_eq!(script(&format!("sh\"\"\"\n{source}\"\"\"")), wanted, "{source}");
    }
}

/// Scripts with a word `W`, which tell by what they print and how they end what the shell made of it.
const FRAMES: [&str; 33] = [
    "printf '[%s]' W",
    "W",
    "W x",
    "W\nthen echo y; fi",
    "if W\nthen echo y; fi",
    "! W",
    "{ W\n}",
    "{ :; } W",
    "time W",
    "time -p W",
    "time -p -- W x",
    "coproc W\nwait",
    "coproc W { :; }",
    "A=1 W",
    "W | cat",
    "echo a | W",
    "echo a && W",
    ">f W",
    "printf x >W; ls -a",
    "printf '[%s]' W >g; cat g",
    "v=W; printf '[%s]' \"$v\"",
    "export v=W; printf '[%s]' \"$v\"",
    "v=(W); printf '[%s]' \"${v[@]}\"",
    "for x in W; do printf '[%s]' \"$x\"; done",
    "case W in W) echo y;; *) echo n;; esac",
    "case abc in W) echo y;; esac",
    "[[ W == x ]] && echo y || echo n",
    "[[ abc =~ W ]] && echo y || echo n",
    "[[ abc == W && ( W ) || ! W ]] && echo y || echo n",
    "[ W = x ] && echo y || echo n",
    "printf '[%s]' \"$(printf '%s' W)\"",
    "f() { W\n}; f",
    "eval W",
];

const PREFIXES: [&str; 17] =
    ["", "", "", "x", "-", "$v", "~", "~/", "a=", "a=~", "a=~/:", "+", "1", "[", "{a,", "a:", "{"];

const SUFFIXES: [&str; 14] =
    ["", "", "", "y", "~", ":~", "=~", "}", ",b}", "]", "(b)", ">h", "<h", "}>h"];

const PLAIN: [&str; 36] = [
    "2", "abc", "A=b", "if", "then", "in", "do", "fi", "time", "coproc", "function", "a,b", "1..3",
    "a-c", "+", "@", "=", "a:", "-n", "-p", "-eq", "==", "=~", ".", "..", "a.c", "x=", "a+=",
    "+=:", "A=x:", "a+=x", "%1", "--", "-", "b", "root",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    /// A value means the same as in single quotes, in every command that is made of these parts.
    #[test]
    fn no_value_is_more_than_its_characters(
        parts in proptest::collection::vec(
            (select(&FRAMES), select(&PREFIXES), select(&PLAIN), select(&SUFFIXES)),
            1..150,
        )
    ) {
        let with = |hole: &dyn Fn(&str) -> String| -> Vec<String> {
            let script = |(frame, prefix, value, suffix): &(&str, &str, &str, &str)| {
                frame.replace('W', &format!("{prefix}{}{suffix}", hole(value)))
            };
            parts.iter().map(script).collect()
        };
        let sources = with(&|value| format!("#{{\"{value}\"}}"));
        let literals: Vec<_> =
            sources.iter().map(|source| format!("sh\"\"\"\n{source}\n\"\"\"")).collect();
        let found = scripts(&format!("[{}]", literals.join(", ")));
        let wanted = with(&|value| format!("'{value}'"));
        let pairs: Vec<_> =
            found.iter().zip(&wanted).filter(|(found, wanted)| found.trim() != *wanted).collect();
        for shell in ["bash", "dash", "busybox"] {
            let Some(printed) = all_in(shell, pairs.iter().map(|pair| pair.0.as_str())) else { continue };
            let expected = all_in(shell, pairs.iter().map(|pair| pair.1.as_str())).unwrap();
            for ((printed, expected), pair) in printed.iter().zip(&expected).zip(&pairs) {
                prop_assert_eq!(printed, expected, "{}: {:?}", shell, pair);
            }
            prop_assert_eq!(printed.len(), expected.len());
        }
    }
}

/// What scripts print and how they end, each in a copy of one shell; nothing if that is not installed.
#[expect(clippy::disallowed_methods, reason = "the shell itself says what it makes of a script")]
fn all_in<'s>(shell: &str, scripts: impl Iterator<Item = &'s str>) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let each = scripts.enumerate().map(|(number, script)| {
        let quoted = script.replace('\'', r"'\''");
        format!(
            "mkdir {number}; (cd {number}; touch h b; v=r; eval ' {quoted}') 2>/dev/null </dev/null; echo \" $?\"; echo ==\n"
        )
    });
    let text = each.collect::<String>();
    let args: &[&str] = if shell == "busybox" { &["sh"] } else { &[] };
    std::fs::write(folder.path().join("script"), text).unwrap();
    let mut command = Command::new(shell);
    let out = command.args(args).arg("script").current_dir(folder.path()).output().ok()?;
    let out = String::from_utf8_lossy(&out.stdout).into_owned();
    Some(out.split("==\n").map(str::to_owned).collect())
}

/// The whole script counts, not the literal that a hole stands in.
#[test]
fn joined_scripts_are_quoted_as_a_whole() {
    assert_eq!(script(r##"sh"echo #{2}" ++ sh">f""##), "echo '2'>f");
    assert_eq!(script(r##"sh"$HOME" ++ sh"#{"abc"}""##), "$HOME'abc'");
    assert_eq!(script(r##"sh"#{sh"#{"A=b"}"} cmd""##), "'A=b' cmd");
    assert_eq!(script(r##"sh"'" ++ sh"#{"a"}#{"b"}" ++ sh"'""##), "'ab'");
}
