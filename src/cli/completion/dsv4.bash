# bash completion for dsv4: verbs and options as the program's own help lists them
_dsv4() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$(dsv4 help 2>/dev/null | sed -n 's/^  \([a-z]*\)  .*/\1/p') help --version"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi
    words=$(dsv4 "$verb" --help 2>/dev/null | sed -n "s/^ *$prev \([a-z0-9:A-Z]*|[^ ]*\).*/\1/p" | tr '|' ' ')
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    elif [[ $cur == -* ]]; then
        words=$(dsv4 "$verb" --help 2>/dev/null | sed -n 's/^ *\(--\{0,1\}[a-z-]*\).*/\1/p' | grep '^-')
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _dsv4 dsv4
