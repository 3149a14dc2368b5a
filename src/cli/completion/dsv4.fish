# fish completion for dsv4: verbs and options as the program's own help lists them
complete -c dsv4 -n __fish_use_subcommand -f -a "(dsv4 help 2>/dev/null | string match -rg '^  ([a-z]+)  ')"
complete -c dsv4 -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f \
    -a "(dsv4 (commandline -opc)[2] --help 2>/dev/null | string match -rg '^ *(--?[a-z][a-z-]*)')"
