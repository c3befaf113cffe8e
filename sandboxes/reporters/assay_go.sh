# Builds the test binaries of Go packages, then runs them one after another. It is started as: sh assay_go.sh GO WORKDIR.
#
# Standard input holds the nonce, the seed of the other order of tests (empty: the order of the files), and then two
# lines per package: its folder, relative to WORKDIR, and the pattern of the tests that run (empty: all).
#
# What the binaries print goes to descriptor 3. Go puts the byte 0x16 before each line of its own there
# (-test.v=test2json), and this script puts it before each of its lines, with the nonce. Compilers and standard error do
# not have the descriptor. The binary is run and read here, not by `go test -json`, which makes up a pass for a test in which
# the process ends.
#
# All packages are built before the first one runs, so that no test can put anything into the cache of a build. A test of
# one package can still write where the binary of a later one lies. So this script remembers the digest of each binary
# and looks at it again before it runs: one that is gone or changed ends the session. The digests are in variables, not in
# files. Status 90 to 94 is this script's own: 90 no orders, 91 no place or no digest, 92 no folder, 93 a binary that is
# gone, 94 a binary that changed.

go=$1 workdir=$2
IFS= read -r nonce || exit 90
IFS= read -r shuffle || exit 90

# digest FILE: its SHA-256 and nothing else.
digest() { sha256sum <"$1"; }

# say WORDS: a line of ours.
say() { printf '\n\026assay %s %s\n' "$nonce" "$*" >&3; }

order=off
[ -z "$shuffle" ] || order=$shuffle
set --
while IFS= read -r package && IFS= read -r pattern; do set -- "$@" "$package" "$pattern"; done

# The warm cache is not writable. Its files are linked into one that is.
out=/tmp/assay-go
mkdir -p "$out" "$HOME" "$GOCACHE" || exit 91
if [ -d "$ASSAY_GO_WARM" ]; then
    cp -rs "$ASSAY_GO_WARM/." "$GOCACHE" 2>/dev/null || cp -r "$ASSAY_GO_WARM/." "$GOCACHE" || exit 91
    # Go throws away what looks old to it, unless it did so today.
    rm -f "$GOCACHE/trim.txt"
    date +%s >"$GOCACHE/trim.txt"
fi

say start
failed=0
number=0
for word in "$@"; do
    number=$((number + 1))
    [ $((number % 2)) = 1 ] || continue
    eval "built_$number="
    # A package without tests has nothing to build.
    cat "$workdir/$word"/*_test.go 2>/dev/null | grep -qE '^func (Test|Example|Fuzz)' || continue
    if cd "$workdir/$word" 2>"$out/said" &&
        "$go" test -c -vet=off -buildvcs=false -o "$out/$number.test" . >"$out/said" 2>&1 </dev/null 3>&-; then
        # Nothing is built of a package whose tests are all for other machines.
        [ -e "$out/$number.test" ] || continue
        built=$(digest "$out/$number.test") || exit 91
        eval "built_$number=\$built"
        continue
    fi
    failed=1
    say unbuilt "$word"
    lines=0
    while IFS= read -r line && [ $lines -lt 40 ]; do
        say said "$line"
        lines=$((lines + 1))
    done <"$out/said"
    cat "$out/said"
done

number=1
while [ $# -gt 0 ]; do
    binary=$out/$number.test
    eval "built=\$built_$number"
    if [ -n "$built" ]; then
        if ! now=$(digest "$binary" 2>/dev/null); then
            echo "assay: the test binary of $1 is gone" >&2
            exit 93
        fi
        if [ "$now" != "$built" ]; then
            echo "assay: the test binary of $1 is not the one that was built" >&2
            exit 94
        fi
        cd "$workdir/$1" || exit 92
        say run "$1"
        "$binary" -test.v=test2json -test.paniconexit0 -test.count=1 -test.timeout=0 "-test.shuffle=$order" \
            "-test.run=$2" </dev/null >&3 3>&-
        status=$?
        [ $status = 0 ] || failed=1
        say ended "$status"
        rm -f "$binary"
    fi
    number=$((number + 2))
    shift 2
done
say end "$failed"
exit "$failed"
