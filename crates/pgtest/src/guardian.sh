# sh guardian.sh FOLDER GRACE: waits until nobody has used FOLDER for GRACE seconds, then ends what was started in it and removes that.
#
# Who uses the folder holds a shared lock on FOLDER/users and sets its time when coming and going. The system gives the lock back even when
# the user was killed. A user who comes while things are being ended waits for the lock and then finds nothing, as at the very beginning.
set -u
folder=$1 grace=$2
[ -e "$folder/users" ] || exit 0

# One guardian at a time; a second one waits and finds its work done.
exec 8>>"$folder/guardian"
flock 8
exec 9>>"$folder/users"
while :; do
  flock 9 || exit 1
  age=$(($(date +%s) - $(stat -c %Y "$folder/users")))
  [ "$age" -ge "$grace" ] && break
  flock -u 9
  sleep $((grace - age))
done

# Everything that was started here has its working directory here.
inside() {
  for process in /proc/[0-9]*; do
    case $(readlink "$process/cwd" 2>/dev/null) in
      "$folder"/*) echo "${process#/proc/}" ;;
    esac
  done
}
# Whatever would start a server again goes first. A postmaster that is asked to quit takes its children and its shared memory along.
for process in $(inside); do
  [ "$(cat "/proc/$process/comm" 2>/dev/null)" = postgres ] || kill -KILL "$process" 2>/dev/null
done
for lock in "$folder"/*/*/postmaster.pid "$folder"/*/*/*/postmaster.pid; do
  [ -e "$lock" ] || continue
  process=$(head -n 1 "$lock")
  case $(readlink "/proc/$process/cwd" 2>/dev/null) in
    "$folder"/*) kill -QUIT "$process" 2>/dev/null ;;
  esac
done
tries=0
while [ -n "$(inside)" ] && [ "$tries" -lt 100 ]; do
  sleep 0.05
  tries=$((tries + 1))
done
for process in $(inside); do kill -KILL "$process" 2>/dev/null; done

if [ -e "$folder/keep" ]; then rm -rf "$folder/started"; else rm -rf "$folder"; fi
