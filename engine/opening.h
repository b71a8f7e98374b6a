#pragma once

#include "engine/engine.h"
#include "wal/recovery.h"

namespace braid {

/// Opens a store, step by step: lock, catalog, log, and for writing a log file of its own.
/// docs/recovery.md tells the order and why a crash in the middle of it is harmless.
class Opening {
public:
    explicit Opening(Engine& engine) : engine_(engine), disk_(*engine.disk_) {}

    [[nodiscard]] Result<void> run(Engine::Threads threads);

private:
    [[nodiscard]] Result<void> open_for_writing(Engine::Threads threads);
    [[nodiscard]] Result<void> open_for_reading();
    [[nodiscard]] Result<void> create();
    [[nodiscard]] Error no_catalog();
    [[nodiscard]] Result<std::vector<std::string>> unfinished_creation();
    [[nodiscard]] Result<bool> is_unused_log(const std::string& name);
    [[nodiscard]] Result<void> load();
    [[nodiscard]] Result<void> check_packs();
    [[nodiscard]] Error of_torn_catalog(Error error) const;
    [[nodiscard]] Result<void> apply(const index::CatalogRecord& record);
    [[nodiscard]] const char* check_names(const index::CatalogRecord& record) const;
    [[nodiscard]] const char* apply_places(const index::CatalogRecord& record);
    [[nodiscard]] const char* apply_consumers(const index::CatalogRecord& record);
    [[nodiscard]] const char* apply_leases(const index::CatalogRecord& record);
    [[nodiscard]] const char* apply_ids(const index::CatalogRecord& record);
    [[nodiscard]] Result<void> settle_catalog();
    [[nodiscard]] Result<void> sync_log();
    [[nodiscard]] Result<void> begin_log();
    void begin_bodies(const std::vector<io::DirectoryEntry>& files);
    [[nodiscard]] Result<void> start(Engine::Threads threads);

    Engine& engine_;
    io::Disk& disk_;
    index::LoadedCatalog catalog_;
    wal::LogScan scan_;
    std::optional<wal::LogFiles> log_files_;
    std::unique_ptr<wal::LogWriter> writer_;
    std::uint64_t log_capacity_ = 0;
};

}  // namespace braid
