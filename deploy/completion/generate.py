#!/usr/bin/python3
"""Makes the completion of one shell from what `bulkheadctl --json help` lists.

    generate.py BULKHEADCTL bash|zsh|fish >FILE

The table of verbs in supervisor/ctl/main.c is the only place that names them: `[ls|export]` are words, `FILE` and
`NAME...` stand for what the user puts there.
"""

import json
import re
import subprocess
import sys

PROCESSES = ["dogstatsd", "logs", "forwarder", "all"]


def ask(program):
    text = subprocess.run([program, "--json", "help"], check=True, capture_output=True, text=True).stdout
    return json.loads(text)


def first_line(text):
    """The help up to the first stop, as one line."""
    return text.replace("\n", " ").split(";")[0].strip()


class Verb:
    def __init__(self, name, text):
        self.name = name
        self.text = first_line(text)
        self.words = []  # what may follow at once
        self.files = False  # a file may follow at once
        self.file_words = []  # words that a file follows

    def add(self, args):
        tokens = args.replace("...", "").split()
        choices = tokens[0].strip("[]").split("|") if tokens else []
        words = [c for c in choices if c == c.lower()]
        self.words += [w for w in words if w not in self.words]
        if "NAME" in choices:
            self.words += PROCESSES
        self.files = self.files or "FILE" in choices
        if "FILE" in tokens[1:]:
            self.file_words += words


def verbs_of(table):
    verbs = {}
    for row in table["verbs"]:
        verb = verbs.setdefault(row["name"], Verb(row["name"], row["help"]))
        verb.add(row["args"] or "")
    return list(verbs.values())


def options_of(table):
    """(names, argument, help) of each option of the help's second part."""
    found = []
    for line in table["options"].split("\n"):
        head, _, text = line.strip().partition("   ")
        names = []
        for token in re.findall(r"--?[a-z][a-z-]*|[A-Z][A-Z|]*|;|$", head):
            if token.startswith("-"):
                names.append(token)
            elif names:
                found.append((names, token.strip(";"), text.strip()))
                names = []
    return found


def bash(verbs, options):
    plain = [n for names, _, _ in options for n in names]
    files = [n for names, argument, _ in options if argument in ("FILE|DIR", "PATH") for n in names]
    other = [n for names, argument, _ in options if argument and names[0] not in files for n in names]
    yield "# bash completion of bulkheadctl"
    yield "_bulkheadctl()"
    yield "{"
    yield '\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb="" sub="" i'
    yield "\tCOMPREPLY=()"
    yield "\tfor ((i = 1; i < COMP_CWORD; i++)); do"
    yield "\t\tcase ${COMP_WORDS[i]} in"
    yield f"\t\t{'|'.join(files + other)}) i=$((i + 1)) ;;"
    yield "\t\t-*) ;;"
    yield "\t\t*) if [ -z \"$verb\" ]; then verb=${COMP_WORDS[i]}; elif [ -z \"$sub\" ]; then sub=${COMP_WORDS[i]}; fi ;;"
    yield "\t\tesac"
    yield "\tdone"
    yield "\tcase $prev in"
    yield f"\t{'|'.join(files)})"
    yield '\t\tmapfile -t COMPREPLY < <(compgen -f -- "$cur")'
    yield "\t\treturn"
    yield "\t\t;;"
    yield f"\t{'|'.join(other)}) return ;;"
    yield "\tesac"
    yield "\tcase $cur in"
    yield "\t-*)"
    yield f"\t\tmapfile -t COMPREPLY < <(compgen -W \"{' '.join(plain)}\" -- \"$cur\")"
    yield "\t\treturn"
    yield "\t\t;;"
    yield "\tesac"
    yield '\tcase "$verb $sub" in'
    yield f"\t' ') mapfile -t COMPREPLY < <(compgen -W \"{' '.join(v.name for v in verbs)}\" -- \"$cur\") ;;"
    for v in verbs:
        for word in v.file_words:
            yield f"\t'{v.name} {word}') mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;"
        if v.files:
            yield f"\t'{v.name} ') mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;"
        elif v.words == PROCESSES:
            yield f"\t'{v.name} '*) mapfile -t COMPREPLY < <(compgen -W \"{' '.join(v.words)}\" -- \"$cur\") ;;"
        elif v.words:
            yield f"\t'{v.name} ') mapfile -t COMPREPLY < <(compgen -W \"{' '.join(v.words)}\" -- \"$cur\") ;;"
    yield "\tesac"
    yield "}"
    yield "complete -o filenames -F _bulkheadctl bulkheadctl"


def zsh_text(text):
    return re.sub(r"([\[\]:\\'])", lambda m: "'\\''" if m[1] == "'" else "\\" + m[1], text)


def zsh(verbs, options):
    yield "#compdef bulkheadctl"
    yield ""
    yield "_bulkheadctl() {"
    yield "\tlocal context state state_descr line"
    yield "\ttypeset -A opt_args"
    yield "\tlocal -a verbs"
    yield "\tverbs=("
    for v in verbs:
        yield f"\t\t'{v.name}:{zsh_text(v.text)}'"
    yield "\t)"
    yield "\t_arguments -C \\"
    for names, argument, text in options:
        action = {"FILE|DIR": ":file:_files", "PATH": ":socket:_files"}.get(argument, f":{argument.lower()}:" if argument else "")
        exclude = f"({' '.join(names)})" if len(names) > 1 else ""
        for name in names:
            yield f"\t\t'{exclude}{name}[{zsh_text(first_line(text)) or names[-1].strip('-')}]{action}' \\"
    yield "\t\t'1:verb:->verb' \\"
    yield "\t\t'*::argument:->argument' && return"
    yield "\tcase $state in"
    yield "\tverb) _describe verb verbs ;;"
    yield "\targument)"
    yield "\t\tcase $words[1] in"
    for v in verbs:
        if v.files:
            yield f"\t\t{v.name}) _files ;;"
        elif v.words == PROCESSES:
            yield f"\t\t{v.name}) compadd -- {' '.join(v.words)} ;;"
        elif v.words:
            yield f"\t\t{v.name})"
            if v.file_words:
                yield f"\t\t\tif ((CURRENT == 3)) && [[ $words[2] == ({'|'.join(v.file_words)}) ]]; then _files; fi"
            yield f"\t\t\tif ((CURRENT == 2)); then compadd -- {' '.join(v.words)}; fi"
            yield "\t\t\t;;"
    yield "\t\tesac"
    yield "\t\t;;"
    yield "\tesac"
    yield "}"
    yield ""
    yield '_bulkheadctl "$@"'


def fish_text(text):
    return text.replace("\\", "\\\\").replace("'", "\\'")


def fish(verbs, options):
    yield "# fish completion of bulkheadctl"
    yield "complete -c bulkheadctl -f"
    for names, argument, text in options:
        flags = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in names)
        takes = {"FILE|DIR": " -r -F", "PATH": " -r -F", "": ""}.get(argument, " -x")
        about = f" -d '{fish_text(first_line(text))}'" if text else ""
        yield f"complete -c bulkheadctl {flags}{takes}{about}"
    for v in verbs:
        yield f"complete -c bulkheadctl -n __fish_use_subcommand -a {v.name} -d '{fish_text(v.text)}'"
    for v in verbs:
        seen = f"__fish_seen_subcommand_from {v.name}"
        if v.files:
            yield f"complete -c bulkheadctl -n '{seen}' -F"
        if v.words == PROCESSES:
            yield f"complete -c bulkheadctl -n '{seen}' -a '{' '.join(v.words)}'"
        elif v.words:
            words = " ".join(v.words)
            yield f"complete -c bulkheadctl -n '{seen}; and not __fish_seen_subcommand_from {words}' -a '{words}'"
        for word in v.file_words:
            yield f"complete -c bulkheadctl -n '{seen}; and __fish_seen_subcommand_from {word}' -F"


def main():
    program, shell = sys.argv[1:]
    table = ask(program)
    lines = {"bash": bash, "zsh": zsh, "fish": fish}[shell](verbs_of(table), options_of(table))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
