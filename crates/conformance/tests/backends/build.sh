#!/bin/sh
# Builds the test libraries of catalogue.yaml: build.sh DIRECTORY [NAME...], all of them without a name. JOBS=n at once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: build.sh DIRECTORY [NAME...]" >&2; exit 2; }
mkdir -p "$1/parts"
out=$(cd "$1" && pwd)
shift
cd "$here"
warn="-Wall -Wextra -Wpedantic -Werror"
shared="-O1 -fPIC -fvisibility=hidden -pthread"
export out warn shared
gcc -std=gnu11 $warn -O1 patch_elf.c -o "$out/parts/patch_elf"
gcc -std=c11 $warn -O1 selfcheck.c -o "$out/parts/selfcheck" -lm -ldl -pthread

# One line a library: name|base|sources|flags|inner flags|post.
awk -v names=" $* " '
    function value(line) {
        sub(/^[^:]*: */, "", line); gsub(/[\[\]"]/, "", line); gsub(/, /, " ", line); return line
    }
    function put() {
        if (name != "" && (names == "  " || index(names, " " name " ")))
            print name "|" base "|" sources "|" flags "|" inner "|" post
    }
    /^- name:/ { put(); name = value($0); base = sources = flags = inner = post = "" }
    /^  base:/ { base = value($0) }
    /^  sources:/ { sources = value($0) }
    /^  flags:/ { flags = value($0) }
    /^  inner_flags:/ { inner = value($0) }
    /^  post:/ { post = value($0) }
    END { put() }' catalogue.yaml > "$out/parts/list"
for name in "$@"; do
    grep -q "^$name|" "$out/parts/list" || { echo "no such library: $name" >&2; exit 2; }
done

# The inside of a wrapped library is compiled once for each set of inner flags.
cut -d'|' -f2,5 "$out/parts/list" | grep -E '^(wrapped|split)' | cut -d'|' -f2 | sort -u > "$out/parts/insides"
while read -r inner; do
    tag=$(printf %s "$inner" | cksum | cut -d' ' -f1)
    gcc -std=c11 $warn $shared $inner -DINNER -c sound.c -o "$out/parts/inside-$tag.o" < /dev/null
done < "$out/parts/insides"
case $(cut -d'|' -f2 "$out/parts/list") in
    *split*) gcc -std=c11 $warn $shared -DINNER -DINNER_EXPORTED -shared sound.c -Wl,-soname,libinside.so -o "$out/libinside.so" -lm ;;
esac

cat > "$out/parts/one.sh" <<'ONE'
IFS='|' read -r name base sources flags inner post <<LINE
$1
LINE
compiler="gcc -std=c11" link="-lm"
case $sources in *.cpp*) compiler="g++ -std=c++17" ;; esac
case $base in
    whole) sources="sound.c $sources" ;;
    wrapped) sources="$sources $out/parts/inside-$(printf %s "$inner" | cksum | cut -d' ' -f1).o" ;;
    split) link="$link -L$out -l:libinside.so" ;;
esac
set -f
IFS=' '
for word in $flags; do set -- "$@" "$word"; done
shift
set +f
$compiler $warn $shared -shared "$@" $sources -o "$out/$name.so" $link || { echo "cannot build $name" >&2; exit 255; }
for change in $post; do "$out/parts/patch_elf" "$change" "$out/$name.so" || exit 255; done
ONE
tr '\n' '\0' < "$out/parts/list" | nice xargs -0 -n 1 -P "${JOBS:-2}" sh "$out/parts/one.sh"
echo "$(wc -l < "$out/parts/list") libraries in $out"
