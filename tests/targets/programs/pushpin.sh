# Pushpin before a backend that lets it hold streams: sh pushpin.sh HOST PORT
# Its control port is Debian's, 5561: the adapter says so too. Zurl asks the backend for it.
set -eu
run=$(mktemp -d) # not the cell's folder: the name of a socket may have 107 characters
trap 'rm -rf "$run"' EXIT
trap 'exit 0' TERM INT
backend=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '* 127.0.0.1:%s\n' "$backend" >"$run/routes"
sed "s|/var/run/zurl|$run|; s|^defpolicy=.*|defpolicy=allow|" /etc/zurl.conf >"$run/zurl.conf"
sed "s|/var/run/zurl|$run|" /usr/lib/pushpin/internal.conf >"$run/internal.conf"
sed -e "s|^include=.*|include=$run/internal.conf|; s|^rundir=.*|rundir=$run|; s|^logdir=.*|logdir=$run|" \
  -e "s|^http_port=.*|http_port=$1:$2|; s|^message_rate=.*|message_rate=1000000|" /etc/pushpin/pushpin.conf >"$run/pushpin.conf"
python3 pushpin_backend.py "$backend" &
zurl --config="$run/zurl.conf" &
pushpin --merge-output --config "$run/pushpin.conf" &
wait $!
