#include "tests/sim/sim_disk.h"

#include <fmt/format.h>
#include <algorithm>
#include <braid/check.hpp>

#include "tests/sim/shelter.h"
#include "tests/sim/sim_file.h"
#include "tests/sim/sim_queue.h"

namespace braid::sim {
namespace {

class SimLock : public io::Lock {
public:
    SimLock(std::set<std::string>& locked, std::string name)
        : locked_(locked), name_(std::move(name)) {}
    ~SimLock() override { locked_.erase(name_); }

private:
    std::set<std::string>& locked_;
    const std::string name_;
};

void check_name(const std::string& name) {
    BRAID_CHECK(!name.empty() && name.find('/') == std::string::npos, "'{}' is not a file name",
                name);
}

/// Failures after which nothing was done, for sure.
bool leaves_nothing(std::int64_t error) {
    return error == -EINTR || error == -EAGAIN || error == -ENOSPC || error == -EINVAL;
}

}  // namespace

SimDisk::SimDisk(std::uint64_t seed) : choices_(seed), random_(~seed) {}

SimDisk::~SimDisk() {
    BRAID_CHECK(queues_.empty() && locked_.empty(), "a simulated disk went before its {}",
                queues_.empty() ? "lock" : "queue");
}

// Copies

SimDisk::SimDisk(const SimDisk& other)
    : io::Disk(),
      lies_(other.lies_),
      choices_(other.choices_),
      random_(other.random_),
      changes_(other.changes_),
      powered_(other.powered_),
      now_ns_(other.now_ns_),
      step_ns_(other.step_ns_),
      monotonic_ns_(other.monotonic_ns_) {}

void SimDisk::copy_inodes(const SimDisk& other, Random* crash) {
    std::vector<std::pair<const Inode*, std::shared_ptr<Inode>>> copies;
    const auto copied = [&copies](std::shared_ptr<Inode>& inode) {
        const auto known = std::find_if(copies.begin(), copies.end(), [&](const auto& copy) {
            return copy.first == inode.get();
        });
        if (known == copies.end()) {
            copies.emplace_back(inode.get(), std::make_shared<Inode>(*inode));
            inode = copies.back().second;
        } else {
            inode = known->second;
        }
    };
    for (auto& [name, inode] : names_) copied(inode);
    if (crash == nullptr) {
        for (auto& [name, inode] : durable_names_) copied(inode);
        for (NameChange& change : name_changes_) copied(change.inode);
        return;
    }
    for (const InFlight& write : other.in_flight(*crash)) {
        for (auto& [old, copy] : copies) {
            if (old == write.inode) copy->write_unsynced(write.request.bytes, write.request.offset);
        }
    }
    for (auto& [name, inode] : names_) inode->crash(*crash);
    durable_names_ = names_;
}

std::unique_ptr<SimDisk> SimDisk::clone() const {
    std::unique_ptr<SimDisk> disk(new SimDisk(*this));
    disk->names_ = names_;
    disk->durable_names_ = durable_names_;
    disk->name_changes_ = name_changes_;
    disk->copy_inodes(*this, nullptr);
    return disk;
}

std::unique_ptr<SimDisk> SimDisk::after_crash(std::uint64_t seed) const {
    Random random(seed);
    std::unique_ptr<SimDisk> disk(new SimDisk(*this));
    disk->survive_names(*this, random);
    disk->copy_inodes(*this, &random);
    disk->choices_ = Random(random.next());
    disk->random_ = Random(random.next());
    disk->changes_ = 0;
    disk->powered_ = true;
    return disk;
}

/// A change is applied by what it means for the file: it is now found under `to`, or nowhere.
void SimDisk::survive_names(const SimDisk& other, Random& random) {
    names_ = other.durable_names_;
    const std::vector<NameChange>& changes = other.name_changes_;
    if (changes.empty()) return;
    Survival survival(random);
    for (std::size_t i = 0; i < changes.size(); ++i) {
        if (!survival.keeps(i, changes.size())) continue;
        const NameChange& change = changes[i];
        std::erase_if(names_, [&](const auto& name) { return name.second == change.inode; });
        if (!change.to.empty()) names_[change.to] = change.inode;
    }
}

std::vector<SimDisk::InFlight> SimDisk::in_flight(Random& random) const {
    std::vector<InFlight> writes;
    for (const SimQueue* queue : queues_) {
        if (!powered_) break;  // were taken over when the power went
        for (const SimQueue::Started& one : queue->started()) {
            if (one.request.kind != io::Request::Kind::write) continue;
            Inode& inode = dynamic_cast<SimFile&>(*one.request.file).inode();
            writes.push_back({&inode, one.request});
        }
    }
    for (std::size_t i = writes.size(); i > 1; --i) {
        std::swap(writes[i - 1], writes[random.below(i)]);
    }
    return writes;
}

std::size_t SimDisk::writes_in_flight() const {
    std::size_t writes = 0;
    for (const SimQueue* queue : queues_)
        for (const SimQueue::Started& one : queue->started())
            writes += one.request.kind == io::Request::Kind::write ? 1 : 0;
    return writes;
}

// Power, faults and the count

void SimDisk::cut_power() {
    if (!powered_) return;
    for (const InFlight& write : in_flight(choices_)) {
        write.inode->write_unsynced(write.request.bytes, write.request.offset);
    }
    powered_ = false;
}

std::unique_ptr<SimDisk> SimDisk::power_loss_now(std::uint64_t seed) {
    cut_power();
    return after_crash(seed);
}

std::optional<std::int64_t> SimDisk::refusal(Call call, std::string_view file) {
    ++calls_[static_cast<std::size_t>(call)];
    if (!powered_) return -EIO;
    std::optional<std::int64_t> result;
    for (std::size_t i = 0; i < faults_.size();) {
        Fault& fault = faults_[i];
        const bool meant = fault.call == call && (fault.file.empty() || fault.file == file);
        const bool due = meant && fault.nth <= 1;
        if (meant && !due) --fault.nth;
        if (due && !result) result = fault.result;
        if (due && !fault.onwards) {
            faults_.erase(faults_.begin() + static_cast<std::ptrdiff_t>(i));
        } else {
            ++i;
        }
    }
    return result;
}

const Lie* SimDisk::lie_about(Call call, std::string_view file) const {
    for (const Lie& lie : lies_)
        if (lie.call == call && file.starts_with(lie.prefix)) return &lie;
    return nullptr;
}

bool SimDisk::change(const Change& what) {
    ++changes_;
    if (changes_ == cut_at_) {
        cut_power();
        return false;
    }
    if (observer_) {
        Change told = what;
        told.number = changes_;
        observer_(told);
    }
    return true;
}

// Names

Result<std::unique_ptr<io::File>> SimDisk::open(const std::string& name, io::OpenMode mode) {
    check_name(name);
    if (const auto result = refusal(Call::open, name))
        return io::system_error("open", name, *result);
    const auto found = names_.find(name);
    if (found == names_.end()) {
        if (!mode.create) return io::system_error("open", name, -ENOENT);
        if (!change_name({"", name, std::make_shared<Inode>()}, Call::open)) {
            return io::system_error("open", name, -EIO);
        }
    } else if (mode.truncate && mode.write && found->second->cache().size() > 0) {
        found->second->empty_unsynced();
        if (!change({0, Call::open, name, 0, 0})) return io::system_error("open", name, -EIO);
    }
    return std::unique_ptr<io::File>(std::make_unique<SimFile>(*this, name, names_[name], mode));
}

bool SimDisk::change_name(NameChange what, Call call) {
    if (!what.from.empty()) names_.erase(what.from);
    if (!what.to.empty()) names_[what.to] = what.inode;
    const std::string& name = what.from.empty() ? what.to : what.from;
    const Change told{0, call, name, 0, 0};
    name_changes_.push_back(what);
    return change(told);  // `told` speaks of our own copy of the name
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
    check_name(from);
    check_name(to);
    if (const auto result = refusal(Call::rename, from)) {
        return io::system_error("rename", from, *result);
    }
    const auto found = names_.find(from);
    if (found == names_.end()) return io::system_error("rename", from, -ENOENT);
    if (from == to) return {};
    const bool done = change_name({from, to, found->second}, Call::rename);
    return done ? Result<void>() : io::system_error("rename", from, -EIO);
}

Result<void> SimDisk::remove(const std::string& name) {
    if (const auto result = refusal(Call::remove, name)) {
        return io::system_error("remove", name, *result);
    }
    const auto found = names_.find(name);
    if (found == names_.end()) return io::system_error("remove", name, -ENOENT);
    const bool done = change_name({name, "", found->second}, Call::remove);
    return done ? Result<void>() : io::system_error("remove", name, -EIO);
}

Result<std::vector<io::DirectoryEntry>> SimDisk::list() {
    if (const auto result = refusal(Call::list, "")) return io::system_error("list", ".", *result);
    std::vector<io::DirectoryEntry> entries;
    for (const auto& [name, inode] : names_) entries.push_back({name, inode->cache().size()});
    return entries;
}

Result<void> SimDisk::sync_directory() {
    if (const auto result = refusal(Call::sync_directory, "")) {
        return io::system_error("sync directory", ".", *result);
    }
    if (!change({0, Call::sync_directory, "", 0, 0})) {
        return io::system_error("sync directory", ".", -EIO);
    }
    if (lie_about(Call::sync_directory, "") != nullptr) return {};
    durable_names_ = names_;
    name_changes_.clear();
    return {};
}

Result<std::unique_ptr<io::Lock>> SimDisk::lock(const std::string& name, std::uint64_t wait_ns) {
    check_name(name);
    if (const auto result = refusal(Call::lock, name)) {
        return io::system_error("lock", name, *result);
    }
    if (locked_.contains(name)) {
        advance(wait_ns);
        return Error(Errc::locked, fmt::format("lock {}: the store is open for writing", name));
    }
    if (!names_.contains(name) && !change_name({"", name, std::make_shared<Inode>()}, Call::open)) {
        return io::system_error("lock", name, -EIO);
    }
    locked_.insert(name);
    return std::unique_ptr<io::Lock>(std::make_unique<SimLock>(locked_, name));
}

Result<std::unique_ptr<io::Queue>> SimDisk::make_queue(std::size_t, io::Lock*) {
    if (const auto result = refusal(Call::make_queue, "")) {
        return io::system_error("make queue", ".", *result);
    }
    return std::unique_ptr<io::Queue>(std::make_unique<SimQueue>(*this));
}

// Bytes

std::uint64_t SimDisk::used_bytes() const {
    std::uint64_t used = 0;
    for (const auto& [name, inode] : names_) used += inode->cache().size();
    return used;
}

std::uint64_t SimDisk::room_for(const Inode& inode, std::uint64_t offset,
                                std::uint64_t bytes) const {
    if (capacity_bytes_ == UINT64_MAX) return bytes;
    const std::uint64_t used = used_bytes();
    const std::uint64_t left = capacity_bytes_ > used ? capacity_bytes_ - used : 0;
    const std::uint64_t end = std::max(inode.cache().size(), offset) + left;
    const std::uint64_t hole = offset > inode.cache().size() ? offset - inode.cache().size() : 0;
    if (hole > left) return 0;
    return std::min(bytes, end - hole - offset);
}

std::int64_t SimDisk::write(SimFile& file, Bytes bytes, std::uint64_t offset, io::WriteMode mode) {
    if (const auto result = refusal(Call::write, file.name())) {
        if (*result < 0) return fail_write(file, bytes, offset, *result);
        bytes = bytes.first(std::min(bytes.size(), static_cast<std::size_t>(*result)));
    }
    if (bytes.empty()) return 0;
    std::uint64_t room = room_for(file.inode(), offset, bytes.size());
    if (room < bytes.size()) room -= room % file.transfer_unit();
    if (room == 0) return -ENOSPC;
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), room));
    file.inode().write_unsynced(bytes, offset);
    if (!change({0, Call::write, file.name(), offset, bytes.size(), mode})) return -EIO;
    if (mode == io::WriteMode::durable && lie_about(Call::write, file.name()) == nullptr)
        file.inode().sync_last();
    return static_cast<std::int64_t>(bytes.size());
}

std::int64_t SimDisk::cached(const Inode& inode) const {
    if (!says_cached_) return -ENOSYS;
    return *says_cached_ ? static_cast<std::int64_t>(inode.cache().size()) : 0;
}

/// A write that fails may have been done in part.
std::int64_t SimDisk::fail_write(SimFile& file, Bytes bytes, std::uint64_t offset,
                                 std::int64_t error) {
    if (!powered_ || leaves_nothing(error)) return error;
    std::size_t done = choices_.flip() ? 0 : choices_.below(bytes.size() + 1);
    if (file.direct()) done -= done % sector_bytes;
    file.inode().write_unsynced(bytes.first(done), offset);
    change({0, Call::write, file.name(), offset, bytes.size()});
    return error;
}

std::int64_t SimDisk::sync(SimFile& file) {
    const auto result = refusal(Call::sync, file.name());
    if (result && (!powered_ || leaves_nothing(*result))) return *result;
    if (!change({0, Call::sync, file.name(), 0, 0})) return -EIO;
    if (result) {
        file.inode().sync_failed();
        return *result;
    }
    if (const Lie* lie = lie_about(Call::sync, file.name())) {
        if (!lie->until.empty()) late_.emplace_back(file.shared_inode(), lie->until);
        return 0;
    }
    file.inode().sync();
    std::erase_if(late_, [&](const auto& late) {
        if (!file.name().starts_with(late.second)) return false;
        late.first->sync();
        return true;
    });
    return 0;
}

std::int64_t SimDisk::cut(SimFile& file, std::uint64_t length) {
    if (const auto result = refusal(Call::write, file.name()))
        return std::min<std::int64_t>(*result, 0);
    if (!change({0, Call::write, file.name(), length, 0})) return -EIO;
    file.inode().damage_size(length);
    return 0;
}

// Clocks

void SimDisk::set_clock(std::uint64_t now_ns, std::uint64_t step_ns) {
    now_ns_ = now_ns;
    step_ns_ = step_ns;
}

void SimDisk::advance(std::uint64_t ns) {
    now_ns_ += ns;
    monotonic_ns_ += ns;
}

Timestamp SimDisk::now() {
    const std::uint64_t now_ns = now_ns_;
    now_ns_ += step_ns_;
    return now_ns;
}

std::uint64_t SimDisk::monotonic_ns() {
    return monotonic_ns_ += step_ns_;
}

std::uint64_t SimDisk::random() {
    return random_.next();
}

// Contents

Inode& SimDisk::inode(const std::string& name) const {
    const auto found = names_.find(name);
    BRAID_CHECK(found != names_.end(), "the simulated disk has no file {}", name);
    return *found->second;
}

std::vector<std::string> SimDisk::names() const {
    std::vector<std::string> names;
    for (const auto& [name, inode] : names_) names.push_back(name);
    return names;
}

std::vector<std::byte> SimDisk::contents(const std::string& name) const {
    const Content& content = inode(name).cache();
    std::vector<std::byte> bytes(content.size());
    content.read(bytes, 0);
    return bytes;
}

void SimDisk::flip_bit(const std::string& name, std::uint64_t bit) {
    std::byte byte{};
    const std::size_t got = inode(name).cache().read({&byte, 1}, bit / 8);
    BRAID_CHECK(got == 1, "bit {} is beyond the end of {}", bit, name);
    byte ^= std::byte{1} << (bit % 8);
    inode(name).damage({&byte, 1}, bit / 8);
}

void SimDisk::replace(const std::string& name, std::uint64_t offset, Bytes bytes) {
    if (!names_.contains(name)) {
        names_[name] = std::make_shared<Inode>();
        durable_names_[name] = names_[name];
    }
    inode(name).damage(bytes, offset);
}

void SimDisk::truncate(const std::string& name, std::uint64_t length) {
    inode(name).damage_size(length);
}

void SimDisk::erase(const std::string& name) {
    const std::shared_ptr<Inode> gone = names_.at(name);
    names_.erase(name);
    std::erase_if(durable_names_, [&](const auto& one) { return one.second == gone; });
    std::erase_if(name_changes_, [&](const auto& one) { return one.inode == gone; });
}

// Borrowing

namespace {

/// A real disk needs some memory for such a call as well.
template <class Call>
auto inside(Call call) {
    ::operator delete(::operator new(1));
    const Shelter shelter;
    return call();
}

class Borrowed : public io::Disk {
public:
    explicit Borrowed(io::Disk& disk) : disk_(disk) {}

    Result<std::unique_ptr<io::File>> open(const std::string& name, io::OpenMode mode) override {
        return inside([&] { return disk_.open(name, mode); });
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        return inside([&] { return disk_.rename(from, to); });
    }
    Result<void> remove(const std::string& name) override {
        return inside([&] { return disk_.remove(name); });
    }
    Result<std::vector<io::DirectoryEntry>> list() override {
        return inside([&] { return disk_.list(); });
    }
    Result<void> sync_directory() override {
        return inside([&] { return disk_.sync_directory(); });
    }
    Result<std::unique_ptr<io::Lock>> lock(const std::string& name,
                                           std::uint64_t wait_ns) override {
        return inside([&] { return disk_.lock(name, wait_ns); });
    }
    Result<std::unique_ptr<io::Queue>> make_queue(std::size_t depth, io::Lock* lock) override {
        return inside([&] { return disk_.make_queue(depth, lock); });
    }
    Timestamp now() override { return disk_.now(); }
    std::uint64_t monotonic_ns() override { return disk_.monotonic_ns(); }
    std::uint64_t random() override { return disk_.random(); }
    [[nodiscard]] std::string backend() const override { return disk_.backend(); }
    [[nodiscard]] std::string log_sync() const override { return disk_.log_sync(); }

private:
    io::Disk& disk_;
};

}  // namespace

std::unique_ptr<io::Disk> SimDisk::borrow() {
    return std::make_unique<Borrowed>(*this);
}

}  // namespace braid::sim
