#!/bin/sh
# Prints the path of a Python of that version, if the machine has one.
# usage: find_python.sh 3.12
for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/"python$1" "$(command -v "python$1")"; do
    # pyenv's shims are there for versions that they do not start.
    if "$python" -c "" 2> /dev/null; then
        echo "$python"
        exit
    fi
done
