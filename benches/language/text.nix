# Text: 50,000 lines are made, joined, replaced in, split again, cut and counted.
let
  lines = builtins.genList
    (n: "${toString n}: the quick brown fox jumps over ${toString (n * n)}") 50000;
  text = builtins.replaceStrings [ "quick" ] [ "slow" ] (builtins.concatStringsSep "\n" lines);
  # The texts before and after the first four characters, the other way round.
  turned = line:
    builtins.substring 4 (builtins.stringLength line) line + builtins.substring 0 4 line;
  again = map turned (builtins.filter builtins.isString (builtins.split "\n" text));
  joined = builtins.concatStringsSep "; " again;
in {
  length = builtins.stringLength joined;
  lines = builtins.length again;
  lower = builtins.length (builtins.filter (line: line < "5") again);
  head = builtins.substring 0 60 joined;
}
