#!/bin/sh
# install.sh SOURCE BUILD: install into a folder, then use what is there as a stranger would: the program, its demo
# model, man page and completions; the library through pkg-config and through find_package.
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset DSV4_MODEL MAKEFLAGS

fail() { echo "install: $*" >&2; exit 1; }

DESTDIR="$work/root" cmake --install "$build" --prefix /opt/dsv4 >/dev/null
mv "$work/root/opt/dsv4" "$work/moved" # an installed tree does not know where it is
tree=$work/moved

for file in bin/dsv4 include/dsv4/dsv4.h share/man/man1/dsv4.1 share/bash-completion/completions/dsv4 \
            share/zsh/site-functions/_dsv4 share/fish/vendor_completions.d/dsv4.fish share/dsv4/demo/config.json; do
    [ -f "$tree/$file" ] || fail "$file is not installed"
done
pc=$(find "$tree" -name dsv4.pc)
[ -f "$pc" ] || fail "dsv4.pc is not installed"

text=$("$tree/bin/dsv4" run -p 'Once upon a time' --raw --temperature 0 -n 8)
[ -n "$text" ] || fail "the installed program writes nothing"

mkdir "$work/example"
cp "$source"/example/* "$work/example"
cd "$work/example"
PKG_CONFIG_PATH=$(dirname "$pc") make -s hello
[ -n "$(./hello "$tree/share/dsv4/demo" 'Once upon a time')" ] || fail "hello (pkg-config) writes nothing"
cmake -S . -B build -DCMAKE_PREFIX_PATH="$tree" >/dev/null
cmake --build build >/dev/null
[ "$(build/hello "$tree/share/dsv4/demo" 'Once upon a time')" = "$(./hello "$tree/share/dsv4/demo" 'Once upon a time')" ] ||
    fail "hello (find_package) writes something else than hello (pkg-config)"

# every header alone, as C and, where there is a compiler, as C++
for header in "$tree"/include/dsv4/*.h; do
    echo "#include <dsv4/${header##*/}>" >one.c
    cc -std=c17 -Wall -Wextra -Werror -I"$tree/include" -fsyntax-only one.c || fail "${header##*/} as C"
    ! command -v c++ >/dev/null || c++ -Wall -Wextra -Werror -I"$tree/include" -fsyntax-only -x c++ one.c || fail "${header##*/} as C++"
done

# the man page names every option that --help knows
for verb in run chat logits perplexity tokenize detokenize inspect compare; do
    for option in $("$tree/bin/dsv4" "$verb" --help | sed -n 's/^ *\(--\{0,1\}[a-z-]*\).*/\1/p' | grep '^-'); do
        sed 's/\\-/-/g' "$tree/share/man/man1/dsv4.1" | grep -qe "$option" || fail "the man page lacks $option of $verb"
    done
done
! command -v bash >/dev/null || bash -n "$tree/share/bash-completion/completions/dsv4" || fail "bash completion"
