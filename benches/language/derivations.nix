# 10,000 derivations, each of which refers to two earlier ones, and one that refers to them all.
let
  step = name: script: derivation {
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" script ];
    LEVEL = name;
  };
  all = builtins.genList numbered 10000;
  numbered = n:
    if n == 0 then step "step-0" "echo 0 > $out"
    else step "step-${toString n}"
      "cat ${builtins.elemAt all (n - 1)} ${builtins.elemAt all (n / 2)} > $out";
in step "all" "echo ${toString all}"
