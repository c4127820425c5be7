# Completion of confab's command line for bash. It asks confab itself what there is.

_confab()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} confab=${COMP_WORDS[0]}
    local choices=
    if ((COMP_CWORD == 1)) || { [[ $verb == help ]] && ((COMP_CWORD == 2)); }; then
        choices=$("$confab" help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *.*/\1/p')
    elif [[ $word == -* ]]; then
        choices="$("$confab" help "$verb" 2>/dev/null | grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u) --help"
    else
        case $before in
        --format) choices='text json' ;;
        --world) choices='sim live' ;;
        --layout) choices='all speaker 3x3 4x4 5x5' ;;
        esac
        if [[ $verb == load ]] && ((COMP_CWORD == 2)); then
            choices=$("$confab" help load 2>/dev/null | sed -nE 's/^  ([a-z]+\+[a-z]+)(\(s\))?:\/\/.*/\1:\/\//p')
        fi
    fi
    if [[ -n $choices ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -o filenames -o bashdefault -F _confab confab
