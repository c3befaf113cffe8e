# The reporter of the toy runner: one process per test file; its exit status is the result.
# Arguments: work directory, descriptor of the channel, test files. Standard input: the nonce, then the orders.
workdir=$1 channel=$2
shift 2
read -r nonce
read -r _orders
cd "$workdir" || exit 9
seq=0
say() {
    eval "printf '%s\n' \"{\\\"nonce\\\":\\\"\$nonce\\\",\\\"seq\\\":\$seq,\$1}\" >&$channel"
    seq=$((seq + 1))
}
failed=0
say '"kind":"start"'
for file in "$@"; do
    [ -f "$file" ] || continue
    say "\"kind\":\"collected\",\"ids\":[\"$file\"]"
    status=passed
    eval "/bin/sh \"$file\" $channel>&- </dev/null" || { status=failed failed=1; }
    say "\"kind\":\"phase\",\"id\":\"$file\",\"when\":\"setup\",\"status\":\"passed\""
    if [ "$status" = passed ]; then
        say "\"kind\":\"phase\",\"id\":\"$file\",\"when\":\"call\",\"status\":\"passed\""
    else
        say "\"kind\":\"phase\",\"id\":\"$file\",\"when\":\"call\",\"status\":\"failed\",\"error\":\"status\""
    fi
    say "\"kind\":\"phase\",\"id\":\"$file\",\"when\":\"teardown\",\"status\":\"passed\""
done
say "\"kind\":\"end\",\"exit_status\":$failed"
exit $failed
