# nginx with nchan by the configuration that comes with the lab's adapters: sh nchan.sh FOLDER ADDRESS
set -eu
# A worker of root's nginx runs as nobody, who may not enter the folder.
[ "$(id -u)" = 0 ] && echo "user root;" >"$1/nchan.conf"
sed "s/127\.0\.0\.1:8090/$2/" nchan.conf >>"$1/nchan.conf"
exec nginx -p "$1" -c "$1/nchan.conf"
