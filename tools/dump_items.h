#pragma once

#include "segment/frame.h"
#include "tools/dump_files.h"

namespace braid::tools {

/// Prints a frame that `look` has found at an offset of a file, and its records. False, and a line
/// that says why, if it isn't sound; then its records are left out.
bool dump_frame(DumpContext& context, const DumpFile& file, std::uint64_t offset,
                segment::FrameView frame);

/// Prints the items of a batch's body, `[begin, end)` of the file.
void dump_items(DumpContext& context, const DumpFile& file, std::uint64_t begin, std::uint64_t end);

/// The next offset at or behind `begin`, in steps of 8, where a sound frame stands behind
/// `head_bytes` of something else; nothing if there is none before `end`.
[[nodiscard]] std::optional<std::uint64_t> find_frame(const DumpContext& context,
                                                      const DumpFile& file, std::uint64_t begin,
                                                      std::uint64_t end, std::size_t head_bytes);

/// A transaction's id, two digits a byte.
[[nodiscard]] std::string id_in_hex(const TransactionId& id);

/// Whether all bytes of a range are zero.
[[nodiscard]] bool is_zero(Bytes bytes) noexcept;

}  // namespace braid::tools
