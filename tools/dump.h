#pragma once

#include <string>

#include "tools/output.h"

namespace braid::tools {

struct DumpOptions {
    std::string path;   ///< a store's directory or one of its files
    bool json = false;  ///< JSON lines instead of text
};

/// Prints what the bytes of a store say, file by file: every batch, frame, link, index entry and
/// catalog change, each with its file and offset. Points at the byte where something is wrong and
/// goes on where it can. Takes no lock, needs no sound store and changes nothing. Returns the exit
/// code: `exit_damage` if anything was wrong.
int dump(const DumpOptions& options);
/// The same to an output of the caller's.
int dump_to(const DumpOptions& options, Output& output);

}  // namespace braid::tools
