#!/bin/sh
# Prints the path of a Python of this version, if one is installed.
# usage: find_python.sh 3.12
for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/"python$1" "$(command -v "python$1")"; do
    # pyenv has shims for versions that it cannot start.
    if "$python" -c "" 2> /dev/null; then
        echo "$python"
        exit
    fi
done
