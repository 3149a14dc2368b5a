#compdef dsv4
# zsh completion for dsv4: verbs and options as the program's own help lists them
_dsv4() {
    local -a entries
    if (( CURRENT == 2 )); then
        entries=(${(f)"$(dsv4 help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *\(.*\)/\1:\2/p')"})
        _describe verb entries
    elif [[ $words[CURRENT] == -* ]]; then
        entries=(${(f)"$(dsv4 $words[2] --help 2>/dev/null | sed -n 's/^ *\(--\{0,1\}[a-z-]*\).*/\1/p' | grep '^-')"})
        compadd -- $entries
    else
        _files
    fi
}
_dsv4 "$@"
