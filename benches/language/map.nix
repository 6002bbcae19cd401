# Attribute sets of 100,000 entries: made from a list, mapped, merged, looked into, and folded over.
let
  count = 100000;
  made = first: scale: builtins.listToAttrs (builtins.genList
    (i: let n = first + i; in { name = "key-${toString n}"; value = n * scale; }) count);
  merged =
    builtins.mapAttrs (_: n: n + 1) (made 0 3)
    // builtins.mapAttrs (_: n: n - 1) (made 50000 5);
  # The sum of the values of every tenth key, by look-up.
  found = builtins.foldl' (total: n: total + (merged."key-${toString (n * 10)}" or 0)) 0
    (builtins.genList (n: n) 15000);
in {
  size = builtins.length (builtins.attrNames merged);
  sum = builtins.foldl' (total: n: total + n) 0 (builtins.attrValues merged);
  inherit found;
}
