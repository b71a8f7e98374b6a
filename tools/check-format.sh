#!/usr/bin/env bash
# Says which tracked sources clang-format 14 would change, and fails if there is one.
set -u
cd "$(dirname "$0")/.." || exit 1

mapfile -t sources < <(git ls-files -- '*.cc' '*.h' '*.hpp' | while read -r file; do
    [ -f "$file" ] && printf '%s\n' "$file"
done)
[ ${#sources[@]} -gt 0 ] || { echo "check-format: no sources found" >&2; exit 1; }
formatter=$(command -v clang-format-14 || command -v clang-format) ||
    { echo "check-format: clang-format is missing" >&2; exit 1; }
"$formatter" --dry-run -Werror "${sources[@]}" || exit 1
printf '%d files are formatted\n' "${#sources[@]}"
