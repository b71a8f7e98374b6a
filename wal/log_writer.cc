#include "wal/log_writer.h"

#include <fmt/format.h>
#include <braid/check.hpp>

#include <algorithm>

#include "io/planted.h"

namespace braid::wal {
namespace {

/// A buffer that grew beyond this for one batch isn't kept.
constexpr std::uint64_t kept_buffer_bytes = std::uint64_t{512} << 10;

/// Writes the predecessor's header again if it may have been read from a cache only.
Result<void> confirm_predecessor(io::Disk& disk, const LogScan& scan) {
    if (scan.doubtful_header.empty() || is_planted(PlantedFault::doubtful_header_trusted))
        return {};
    auto file = disk.open(log_name(scan.predecessor_slot), {.write = true, .direct = true});
    if (!file) return file.error();
    io::AlignedBuffer buffer;
    return (*file)->write(buffer.hold(scan.doubtful_header), 0, io::WriteMode::durable);
}

LogFileHeader next_header(const Uuid& store, const LogScan& scan, std::uint64_t capacity,
                          std::uint64_t salt) {
    LogFileHeader header;
    header.store = store;
    header.number = scan.newest_number + 1;
    header.incarnation = scan.incarnation + 1;
    header.salt = salt;
    header.capacity = capacity;
    header.predecessor = scan.predecessor;
    header.predecessor_end = scan.attested_end;
    header.first_batch = scan.next_batch;
    header.previous_checksum = scan.last_checksum;
    header.carried_through = scan.next_batch - 1 + scan.carried.size();
    header.first_transaction = scan.attested_transaction + 1;
    return header;
}

}  // namespace

LogWriter::LogWriter(io::Disk& disk, LogFiles::Taken file, const LogFileHeader& header,
                     std::size_t in_flight_max)
    : disk_(&disk),
      file_(std::move(file)),
      header_(header),
      in_flight_max_(std::max<std::size_t>(in_flight_max, 1)),
      next_batch_(header.first_batch),
      last_checksum_(header.previous_checksum),
      last_transaction_(header.first_transaction - 1),
      durable_through_(header.first_batch - 1),
      attested_through_(header.first_batch - 1) {
    flights_.reserve(in_flight_max_ + 1);
    spare_buffers_.reserve(in_flight_max_ + 2);
    spare_buffers_.emplace_back(io::block_bytes);
    roll_buffer_.reserve(io::block_bytes);
}

Result<std::unique_ptr<LogWriter>> LogWriter::begin(io::Disk& disk, const Uuid& store,
                                                    const LogScan& scan, LogFiles::Taken file,
                                                    std::size_t in_flight_max) {
    if (file.capacity < scan.begin_bytes()) {
        return Error(Errc::invalid_argument,
                     fmt::format("{}: {} bytes are needed to begin the log, the file has {}",
                                 file.file->name(), scan.begin_bytes(), file.capacity));
    }
    const LogFileHeader header = next_header(store, scan, file.capacity, disk.random());
    io::AlignedBuffer block;
    std::unique_ptr<LogWriter> writer(new LogWriter(disk, std::move(file), header, in_flight_max));
    auto done = confirm_predecessor(disk, scan);                                   // O1
    if (done) done = writer->write_carried(scan.carried);                          // O2
    if (done) done = writer->write_now(block.hold(encode_log_header(header)), 0);  // O3
    if (!done) return done.error().within("beginning the log");
    return writer;
}

Result<void> LogWriter::write_carried(const std::vector<CarriedBatch>& carried) {
    io::AlignedBuffer buffer;
    for (const CarriedBatch& batch : carried) {
        buffer.reserve(batch_bytes(batch.body.size()));
        std::memcpy(buffer.first(buffer.capacity()).data() + batch_header_bytes, batch.body.data(),
                    batch.body.size());
        last_transaction_ = batch.last_transaction;
        const std::uint64_t at = offset_;
        const Bytes bytes = encode(buffer, batch.body.size(), BatchType::data, durable_through_);
        if (auto written = write_now(bytes, at); !written) return written;
        durable_through_ = attested_through_ = next_batch_ - 1;
    }
    return {};
}

Result<void> LogWriter::write_now(Bytes bytes, std::uint64_t offset) {
    bytes_written_ += bytes.size();
    ++flushes_;
    return file_.file->write(bytes, offset, io::WriteMode::durable);
}

Bytes LogWriter::encode(io::AlignedBuffer& buffer, std::size_t body_bytes, BatchType type,
                        std::uint64_t durable_through) {
    const auto bytes = buffer.first(batch_bytes(body_bytes));
    Batch fields;
    fields.number = next_batch_;
    fields.previous = last_checksum_;
    fields.durable_through = durable_through;
    fields.last_transaction = last_transaction_;
    fields.type = type;
    last_checksum_ = seal_batch(bytes, fields, body_bytes, header_.seed(), offset_);
    ++next_batch_;
    offset_ += bytes.size();
    return bytes;
}

bool LogWriter::ready() const noexcept {
    return !error_ && roll_ == Roll::none && flights_.size() < in_flight_max_;
}

std::uint64_t LogWriter::room() const noexcept {
    const std::uint64_t used = offset_ + io::block_bytes;  // the roll needs one
    return used < header_.capacity ? header_.capacity - used : 0;
}

LogWriter::Flight& LogWriter::start_flight(io::AlignedBuffer memory) noexcept {
    Flight& flight = flights_.emplace_back();
    flight.token = next_token_++;
    flight.buffer = std::move(memory);
    return flight;
}

/// For a header, a roll or a seal, of which there is one at a time and no batch beside it.
io::AlignedBuffer LogWriter::spare_block() noexcept {
    io::AlignedBuffer buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffer;
}

io::AlignedBuffer LogWriter::take_spare() noexcept {
    return spare_buffers_.size() > 1 ? spare_block() : io::AlignedBuffer{};
}

void LogWriter::send(io::Queue& queue, Flight& flight, io::File& file, Bytes bytes) {
    ++active_;
    bytes_written_ += bytes.size();
    io::Request request;
    request.mode = io::WriteMode::durable;
    request.file = &file;
    request.bytes = bytes;
    request.offset = flight.offset;
    request.token = flight.token;
    queue.submit(request);
}

void LogWriter::submit_batch(io::Queue& queue, const BatchBody& body, BatchType type,
                             io::AlignedBuffer memory) {
    Flight& flight = start_flight(std::move(memory));
    std::byte* at = flight.buffer.first(flight.buffer.capacity()).data() + batch_header_bytes;
    for (const Bytes piece : body.pieces) {
        if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
        at += piece.size();
    }
    flight.number = next_batch_;
    flight.durable_through = durable_through_;
    flight.offset = offset_;
    flight.type = type;
    send(queue, flight, *file_.file, encode(flight.buffer, body.bytes, type, durable_through_));
}

void LogWriter::submit(io::Queue& queue, const BatchBody& body, io::AlignedBuffer memory) {
    memory.reserve(batch_bytes(body.bytes));
    queue.reserve(1);
    std::uint64_t bytes = 0;
    for (const Bytes piece : body.pieces) bytes += piece.size();
    BRAID_CHECK(ready(), "a batch is submitted while the log writer isn't ready");
    BRAID_CHECK(bytes == body.bytes && bytes != 0, "a batch says {} bytes and has {}", body.bytes,
                bytes);
    BRAID_CHECK(batch_bytes(bytes) <= room(), "a batch of {} bytes, but {} are left",
                batch_bytes(bytes), room());
    BRAID_CHECK(body.last_transaction >= last_transaction_, "transaction {} after {}",
                body.last_transaction, last_transaction_);
    last_transaction_ = body.last_transaction;
    last_data_batch_ = next_batch_;
    ++submitted_;
    submit_batch(queue, body, BatchType::data, std::move(memory));
}

bool LogWriter::wants_seal() const noexcept {
    return ready() && active_ == 0 && last_data_batch_ > attested_through_ &&
           room() >= io::block_bytes;
}

void LogWriter::submit_seal(io::Queue& queue) {
    if (wants_seal()) submit_batch(queue, {}, BatchType::seal, spare_block());
}

void LogWriter::roll(io::Queue& queue, LogFiles::Taken next) {
    BRAID_CHECK(roll_ == Roll::none && !error_, "a roll begins while the log writer isn't ready");
    next_ = std::move(next);
    roll_ = Roll::waiting;
    if (active_ == 0) start_roll(queue);
}

/// R1: nothing is in flight. The roll is encoded first, since the next file's header states where
/// this one will end and with which checksum.
void LogWriter::start_roll(io::Queue& queue) {
    const std::uint64_t roll_offset = offset_;
    encode(roll_buffer_, 0, BatchType::roll, durable_through_);
    next_header_ = header_;
    next_header_.number = header_.number + 1;
    next_header_.salt = disk_->random();
    next_header_.capacity = next_.capacity;
    next_header_.predecessor = header_.number;
    next_header_.predecessor_end = roll_offset + io::block_bytes;
    next_header_.first_batch = next_batch_;
    next_header_.previous_checksum = last_checksum_;
    next_header_.carried_through = next_batch_ - 1;
    next_header_.first_transaction = last_transaction_ + 1;
    roll_ = Roll::header;

    Flight& flight = start_flight(spare_block());
    const auto block = flight.buffer.first(io::block_bytes);
    encode_log_header(next_header_, block);
    send(queue, flight, *next_.file, block);  // R2
}

/// R3: the next file's header is durable.
void LogWriter::send_roll(io::Queue& queue) {
    roll_ = Roll::batch;
    Flight& flight = start_flight(spare_block());
    std::swap(flight.buffer, roll_buffer_);
    flight.number = next_batch_ - 1;
    flight.durable_through = durable_through_;
    flight.offset = offset_ - io::block_bytes;
    flight.type = BatchType::roll;
    send(queue, flight, *file_.file, flight.buffer.first(io::block_bytes));
}

/// R4: the roll is durable.
void LogWriter::finish_roll() {
    left_ = Left{file_.slot, last_transaction_};
    file_ = std::move(next_);
    next_ = {};
    header_ = next_header_;
    offset_ = io::block_bytes;
    attested_through_ = durable_through_;  // by the new file's header
    roll_ = Roll::none;
}

std::optional<LogWriter::Left> LogWriter::take_left() noexcept {
    return std::exchange(left_, std::nullopt);
}

bool LogWriter::step(io::Queue& queue, bool block) {
    bool happened = false;
    if (block && active_ != 0) {
        complete(queue, queue.wait());
        happened = true;
    }
    io::Completion completion;
    while (active_ != 0 && queue.poll(completion)) {
        complete(queue, completion);
        happened = true;
    }
    return happened;
}

void LogWriter::complete(io::Queue& queue, const io::Completion& completion) {
    const auto flight = std::find_if(flights_.begin(), flights_.end(), [&](const Flight& other) {
        return other.token == completion.token;
    });
    BRAID_CHECK(flight != flights_.end() && !flight->done,
                "completion of an unknown write, token {}", completion.token);
    --active_;
    ++flushes_;
    if (!completion.result) {
        fail(*flight, completion.result);
        return;  // never done: nothing behind it will count as durable
    }
    flight->done = true;
    retire_prefix();
    if (error_ || active_ != 0) return;
    if (roll_ == Roll::batch) {
        finish_roll();
    } else if (roll_ == Roll::header) {
        send_roll(queue);
    } else if (roll_ == Roll::waiting) {
        start_roll(queue);
    }
}

void LogWriter::fail(const Flight& flight, const Result<void>& result) noexcept {
    if (error_) return;
    try {
        error_ = result.error().within(
            flight.number == 0
                ? fmt::format("writing header of log file {}", next_header_.number)
                : fmt::format("writing batch {} of log file {}", flight.number, header_.number));
    } catch (const std::bad_alloc&) {
        error_ = Error(Errc::io, "a write failed");  // short enough to need no memory
    }
}

/// Counts what is durable with nothing before it missing.
void LogWriter::retire_prefix() {
    while (!flights_.empty() && flights_.front().done) {
        Flight flight = std::move(flights_.front());
        flights_.erase(flights_.begin());
        if (flight.number != 0) durable_through_ = flight.number;
        attested_through_ = std::max(attested_through_, flight.durable_through);
        if (flight.number != 0 && flight.type == BatchType::data) ++durable_;
        recycle(std::move(flight.buffer));
    }
}

void LogWriter::recycle(io::AlignedBuffer buffer) {
    const bool large = buffer.capacity() > kept_buffer_bytes && !spare_buffers_.empty();
    if (buffer.capacity() == 0 || large) return;
    if (spare_buffers_.size() < spare_buffers_.capacity())
        spare_buffers_.push_back(std::move(buffer));
}

std::uint64_t LogWriter::submitted_batches() const noexcept {
    return submitted_;
}
std::uint64_t LogWriter::durable_batches() const noexcept {
    return is_planted(PlantedFault::acknowledged_unflushed) ? submitted_ : durable_;
}
std::size_t LogWriter::in_flight() const noexcept {
    return active_;
}
const std::optional<Error>& LogWriter::error() const noexcept {
    return error_;
}
std::uint64_t LogWriter::bytes_written() const noexcept {
    return bytes_written_;
}
std::uint64_t LogWriter::flushes() const noexcept {
    return flushes_;
}
std::uint32_t LogWriter::slot() const noexcept {
    return file_.slot;
}

}  // namespace braid::wal
