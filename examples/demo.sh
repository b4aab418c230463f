#!/usr/bin/env bash
# demo.sh QUIRE [S3_SERVER]: shows on real vectors what the quire command promises, and checks every claim;
# with tests/s3_server.py, which starts a real S3 server, over S3 too.
#
# Ends with status 1 at the first claim that does not hold. Works in a temporary folder and removes it.
set -euo pipefail
quire=$(realpath "${1:?the path of the quire command}")
s3_server=${2:+$(realpath "$2")}
data=$(cd "$(dirname "${BASH_SOURCE[0]}")/../data" && pwd)
base=$data/base_10k.bvecs
rows=10000
row_bytes=132 # in a bvecs file: the dimension as 4 bytes, then 128 elements
header_bytes=4096 # of the rows file and of a snapshot; then come the rows, 128 bytes each

work=$(mktemp -d)
importer= # the process to kill
clean_up() {
  if [[ -n $importer ]]; then kill -9 "$importer" 2>/dev/null || true; fi
  exec 5>&- # the server ends with its standard input
  rm -rf "$work"
}
trap clean_up EXIT
cd "$work"
cp "$base" base.bvecs
cp "$data/queries_100.bvecs" queries.bvecs
cp "$data/groundtruth_10k_l2_top10.ivecs" truth.ivecs

if [[ -t 1 && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m' tick='✓' cross='✗'
else
  bold='' green='' red='' dim='' plain='' tick='ok:' cross='FAILED:'
fi

heading() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }

# claim SENTENCE COMMAND...: the sentence with a tick if the command succeeds, else the end.
claim() {
  local sentence=$1
  shift
  if "$@" >check.out 2>&1; then
    printf '  %s%s%s %s\n' "$green" "$tick" "$plain" "$sentence"
    return
  fi
  printf '  %s%s%s %s\n' "$red" "$cross" "$plain" "$sentence"
  sed 's/^/    /' check.out
  echo "  (checked with: $*)"
  exit 1
}

# run STATUS WORD...: shows and runs `quire WORD...`, which must end with STATUS; its output, errors
# too, stays in shown.out.
run() {
  local wanted=$1 status=0
  shift
  printf '  %s$ quire %s%s\n' "$dim" "$*" "$plain"
  "$quire" "$@" >shown.out 2>&1 || status=$?
  sed 's/^/    /' shown.out
  if ((status != wanted)); then
    printf '  %s%s%s exit status %d instead of %d\n' "$red" "$cross" "$plain" "$status" "$wanted"
    exit 1
  fi
}

# field NAME PATH: a number that `quire info` tells of a store or snapshot.
field() { "$quire" info "$2" --json | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }

# row_of_file ID: the row in the file that was imported.
row_of_file() { tail -c +$(($1 * row_bytes + 1)) base.bvecs | head -c $row_bytes || true; }

# flip_bit FILE: one bit of row 4711, in a rows file or snapshot of all rows.
flip_bit() {
  local offset=$((header_bytes + 4711 * 128 + 5)) byte
  byte=$(od -An -tu1 -j $offset -N 1 "$1")
  printf '%b' "\\x$(printf %02x $((byte ^ 1)))" |
    dd of="$1" bs=1 seek=$offset conv=notrunc status=none
  printf '  %sone bit of a copy is flipped, in byte %d of %s%s\n' "$dim" $offset "$1" "$plain"
}

# neighbours PATH: those of all queries with their distances, as JSON.
neighbours() { "$quire" nearest "$1" queries.bvecs --k 10 --json | sed 's/.*"neighbours"://'; }

# read_acknowledgement: takes the next line from the import; sets `last` to its rows. A line that the
# kill has cut acknowledges nothing.
read_acknowledgement() {
  local line
  read -r line <&3 || return
  if [[ $line =~ ^\{\"rows\":\ ([0-9]+)\}$ ]]; then last=${BASH_REMATCH[1]}; fi
}

heading "10,000 real image descriptors go in"
run 0 import photos base.bvecs
run 0 info photos
claim "all $rows rows are there" test "$(field rows photos)" = "$rows"
claim "nothing waits in the log" test "$(field log_bytes photos)" = 0

heading "An import is killed half way (SIGKILL)"
printf '  %s$ quire import killed base.bvecs --batch 1 --json &   # each row synced, then acknowledged%s\n' \
  "$dim" "$plain"
# The import waits whenever the pipe is full of lines not read yet, so it cannot end before the kill.
mkfifo acknowledgements
"$quire" import killed base.bvecs --batch 1 --json >acknowledgements &
importer=$!
exec 3<acknowledgements
last=0
while ((last < 4000 && SECONDS < 20)) && read_acknowledgement; do :; done
status=0
{ kill -9 "$importer" && wait "$importer"; } 2>/dev/null || status=$?
importer=
while read_acknowledgement; do :; done # what it said before the kill counts too
exec 3<&-
printf '  %s$ kill -9 %%1%s\n' "$dim" "$plain"
claim "killed in the middle: $last rows of $rows acknowledged" test "$status" = 137 -a "$last" -gt 0 -a "$last" -lt "$rows"
run 0 checkpoint killed
kept=$(field rows killed)
claim "after reopening, $kept rows are there: every acknowledged one" test "$kept" -ge "$last"
claim "and at most the one whose acknowledgement did not get out" test "$kept" -le $((last + 1))
"$quire" export killed kept.bvecs >/dev/null
claim "the acknowledged rows are the input's, byte for byte" cmp -n $((last * row_bytes)) kept.bvecs base.bvecs
claim "every checksum of the recovered store is right" "$quire" verify killed

heading "Exact nearest neighbours"
run 0 nearest photos queries.bvecs --k 10 --truth truth.ivecs
claim "recall is 1.000: all true neighbours of 100 queries" grep -q ': 1\.000$' shown.out

heading "Rows come back as they went in"
run 0 get photos 4711 --output row.bvecs
row_of_file 4711 >expected.bvecs
claim "row 4711 is row 4711 of the file" cmp row.bvecs expected.bvecs
run 0 export photos exported.bvecs
claim "the exported file is identical to the imported one" cmp exported.bvecs base.bvecs

heading "Damage is found and named, never served"
cp -r photos damaged
flip_bit damaged/gen-1.rows
run 3 verify damaged
claim "the file and the vector are named" grep -q 'damaged/gen-1.rows .*(id 4711)' shown.out
run 3 get damaged 4711
run 0 get damaged 4712 --output good.bvecs
run 3 export damaged out.bvecs
claim "no file was made of damaged rows" test ! -e out.bvecs
claim "the store that was copied is whole" "$quire" verify photos

heading "The store becomes one file: a snapshot"
run 0 snapshot create photos photos.quire
run 0 verify photos.quire
run 0 info photos.quire
claim "all $rows rows are in it" test "$(field rows photos.quire)" = "$rows"

heading "It is read where it lies, like the store"
run 0 get photos.quire 4711 --output same.bvecs
claim "row 4711 is row 4711 of the file" cmp same.bvecs expected.bvecs
run 0 nearest photos.quire queries.bvecs --k 10 --truth truth.ivecs
claim "recall is 1.000 here too" grep -q ': 1\.000$' shown.out
neighbours photos >of_store.json
neighbours photos.quire >of_snapshot.json
claim "neighbours and distances are the store's, of all 100 queries" cmp of_snapshot.json of_store.json
run 0 export photos.quire from_snapshot.bvecs
claim "its export is identical to the imported file" cmp from_snapshot.bvecs base.bvecs

heading "And it becomes a store again"
run 0 restore photos.quire restored
claim "every checksum of the new store is right" "$quire" verify restored
"$quire" export restored restored.bvecs >/dev/null
claim "its rows are the input's, byte for byte" cmp restored.bvecs base.bvecs

heading "Damage in a snapshot is named, and costs one block"
cp photos.quire damaged.quire
flip_bit damaged.quire
run 3 verify damaged.quire
block_rows=$(field block_rows photos.quire)
first=$((4711 / block_rows * block_rows)) # row of the damaged block
bytes="[$((header_bytes + first * 128)), $((header_bytes + (first + block_rows) * 128)))"
claim "the block's bytes are named" grep -qF "damaged.quire $bytes" shown.out
claim "and its rows" grep -qF "(rows $first to $((first + block_rows - 1))" shown.out
run 3 get damaged.quire 4711
run 0 get damaged.quire 42 --output other.bvecs
row_of_file 42 >expected.bvecs
claim "a row of another block is served, and right" cmp other.bvecs expected.bvecs
run 3 restore damaged.quire rest --salvage
claim "all rows of the other blocks are saved" test "$(field rows rest)" = $((rows - block_rows))
claim "the snapshot that was copied is whole" "$quire" verify photos.quire

# What a request costs is the server's own count.
requests() { grep -c " beast: .*\"$1 /photos/" "$s3_log" || true; }

if [[ -n $s3_server ]]; then
  heading "The snapshot goes to S3, and is read there"
  mkfifo s3.in s3.out
  python3 -B "$s3_server" --bucket photos <s3.in >s3.out &
  exec 5>s3.in 6<s3.out
  read -r port AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY folder _ <&6
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_EC2_METADATA_DISABLED=true
  s3_log=$folder/requests.log
  s3_flush() { echo flush >&5 && read -r _ <&6; }
  run 0 snapshot create photos s3://photos/photos.quire --allow-private-network
  run 0 ls s3://photos/ --allow-private-network
  s3_flush
  before=$(requests GET)
  run 0 info s3://photos/photos.quire --allow-private-network
  s3_flush
  claim "opening it took at most two requests" test $(($(requests GET) - before)) -le 2
  run 0 get s3://photos/photos.quire 4711 --output remote.bvecs --allow-private-network
  row_of_file 4711 >expected.bvecs
  claim "row 4711 is row 4711 of the file" cmp remote.bvecs expected.bvecs
  run 0 nearest s3://photos/photos.quire queries.bvecs --k 10 --truth truth.ivecs --allow-private-network
  claim "recall is 1.000 there too" grep -q ': 1\.000$' shown.out
  run 0 cp s3://photos/photos.quire fetched.quire --verify --allow-private-network
  claim "the copy is the snapshot that was published" "$quire" verify fetched.quire
  run 1 info s3://photos/photos.quire
  claim "without leave, nothing connects to an address that is not public" grep -q denied_by_policy shown.out
fi

printf '\n%sAll of it held, in %d s.%s\n' "$bold" $SECONDS "$plain"
