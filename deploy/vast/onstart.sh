#!/bin/sh
# For Vast.ai's SSH and Jupyter launch modes, which replace the image's entrypoint and hide the container's environment
# from shells: starts the same entrypoint, and gives shells the settings and `bakeoff`. Runs at every start of the instance.
set -eu
app=/opt/bakeoff
: "${BAKEOFF_HOME:?is not set, so this is not the clip-bakeoff image}"
log=$BAKEOFF_HOME/bakeoff.log
key=$BAKEOFF_HOME/api_key # everybody may read the files below, so the key has one of its own
settings=$(cd "$app" && .venv/bin/python -c 'from server.settings import Settings; print(*map(str.upper, Settings.model_fields.keys() - {"api_key"}))')
names="$(env | grep -o '^VAST_TCP_PORT_[0-9]*' | tr '\n' ' ')PUBLIC_IPADDR LD_LIBRARY_PATH $settings"

environment='' exports=''
for name in $names; do
  value=$(printenv "$name") || continue
  case $value in
    *[!A-Za-z0-9_.,:/@%+=\ -]*) echo "onstart: $name is not given to shells: it has characters that /etc/environment cannot hold" >&2 ;;
    *)
      environment="$environment$name=\"$value\"
"
      exports="${exports}export $name=\"\${$name-$value}\"
"
      ;;
  esac
done

if [ "$(id -u)" = 0 ]; then
  others=$(grep -vE "^($(echo "$names" | tr ' ' '|'))=" /etc/environment || true)
  printf '%s' "${others:+$others
}$environment" >/etc/environment
  install -o 10001 -g 0 -m 400 /dev/null "$key"
  printf '%s' "${API_KEY-}" >"$key"
  cat >/usr/local/bin/bakeoff <<EOF
#!/bin/sh
# Written by onstart.sh: bakeoff with the settings of the servers and, for root, as their user.
${exports}[ ! -r "$key" ] || export API_KEY="\${API_KEY-\$(cat "$key")}"
export HOME="$BAKEOFF_HOME" USER=bakeoff
[ "\$(id -u)" != 0 ] || exec setpriv --reuid=10001 --regid=0 --clear-groups $app/.venv/bin/bakeoff "\$@"
exec $app/.venv/bin/bakeoff "\$@"
EOF
  chmod 755 /usr/local/bin/bakeoff
  # Theirs, because supervisord's programs open their standard output again.
  install -o 10001 -g 0 -m 600 /dev/null "$log"
  set -- setpriv --reuid=10001 --regid=0 --clear-groups
else
  echo "onstart: not root, so shells get no settings and no bakeoff; create the instance with --user root" >&2
  (umask 077 && : >"$log")
fi
HOME=$BAKEOFF_HOME USER=bakeoff nohup "$@" "$app/entrypoint.sh" >>"$log" 2>&1 </dev/null &
echo "onstart: started; tail -f $log, or bakeoff status --wait"
