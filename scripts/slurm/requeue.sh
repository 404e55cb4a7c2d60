# What both job files share: words for a first start or a later one, and a job that is put into the queue again.
# Sourced, not run.

# Older torchruns forward SIGTERM but not SIGUSR1: then the one is turned into the other.
if torchrun --help 2>/dev/null | grep -q -- --signals-to-handle; then
    SIGNALS=(--signals-to-handle SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1) STOP=USR1
else
    SIGNALS=() STOP=TERM
fi

# words FOLDER [WORD...]: set WORDS, which begin the run in FOLDER or go on with it
words() {
    local folder=$1
    shift
    if [ -e "$folder/config.yaml" ]; then
        WORDS=("resume=$folder")
    else
        WORDS=("hydra.run.dir=$folder" "$@")
    fi
}

# supervised COMMAND...: run it; after SIGUSR1 let it save, and put the job into the queue again
supervised() {
    local asked=0 child code
    trap 'asked=1; kill -s "$STOP" "$child" 2>/dev/null' USR1
    "$@" &
    child=$!
    while :; do
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break # else a signal woke this shell, not the child's end
    done
    trap - USR1
    if [ "$asked" = 1 ] && [ "$code" != 0 ]; then
        echo "saved after SIGUSR1; back into the queue"
        scontrol requeue "$SLURM_JOB_ID"
        exit $?
    fi
    exit "$code"
}
