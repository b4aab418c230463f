// quire snapshot: a store published as one immutable file.
#include "quire/snapshot.hpp"

#include <chrono>
#include <memory>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/stoppable_progress.hpp"
#include "cli/wording.hpp"

namespace quire::cli {
namespace {

constexpr std::uint64_t kMostBlockBytes = std::uint64_t{16} << 20;

struct Arguments {
  std::string directory;
  std::string file;
  std::optional<SnapshotCodec> codec;
  std::uint64_t block_bytes = WriteSnapshotOptions{}.block_bytes;
  bool no_replace = false;
  std::uint64_t abort_idle = kAbortIdle;
};

Outcome<SnapshotInfo> publish(const Arguments& arguments, const Settings& settings) {
  QUIRE_CHECK(refuse_snapshot(arguments.directory));
  QUIRE_TRY(const VectorStore store, open_for_reading(arguments.directory, settings));
  const ReadView view = store.view();
  // The rows, what tells them apart, and some more.
  const std::uint64_t expected =
      view.size() * (row_bytes(view.element_type(), view.dimension()) + 16) +
      (std::uint64_t{1} << 20);
  StoppableProgress progress("publishing");  // before there is anything to leave behind
  QUIRE_TRY(const auto sink,
            open_sink(arguments.file,
                      {.if_exists = arguments.no_replace ? IfExists::fail : IfExists::replace,
                       .expected_bytes = expected,
                       .abort_idle = std::chrono::seconds(arguments.abort_idle)},
                      settings));
  auto made = write_snapshot(view, *sink,
                             {.codec = arguments.codec.value_or(SnapshotCodec::none),
                              .block_bytes = static_cast<std::uint32_t>(arguments.block_bytes),
                              .stop = progress.token(),
                              .progress = progress.callback()});
  if (!made && made.error().code() == ErrorCode::cancelled) {
    return fail(progress.exit_status(), "snapshot create: interrupted; no snapshot was made");
  }
  return from_store(std::move(made));
}

Outcome<> create(const Arguments& arguments, const Settings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  QUIRE_TRY(const SnapshotInfo info, publish(arguments, settings));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (settings.json) {
    print_json({{"rows", info.rows},
                {"bytes", info.bytes},
                {"lsn", info.lsn},
                {"snapshot_id", hex(info.id)},
                {"seconds", seconds}});
  } else {
    print_line("published {} as {} ({}) in {}: {} rows/s", counted(info.rows, "row"),
               arguments.file, byte_size(info.bytes), duration(seconds), rate(info.rows, seconds));
  }
  return {};
}

Run declare_create(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  add_file(app, "DEST", arguments->file, "The snapshot to make: a file, or an s3:// URL");
  add_codec(app, arguments->codec);
  add_number(app, "--block-bytes", arguments->block_bytes,
             "Bytes of vectors that are read and compared as one (default 262144)", 1,
             kMostBlockBytes);
  add_flag(app, "--no-replace", arguments->no_replace, "Fail if DEST is there already");
  add_abort_idle(app, arguments->abort_idle);
  return [arguments](const Settings& settings) { return create(*arguments, settings); };
}

Command create_subcommand() {
  return {"Commands", "create", "Publish a store as a snapshot, in a file or in S3",
          "Writes the store as it is when it is opened: it may be written to meanwhile. DEST\n"
          "appears, or is replaced, when all of it is written and durable; Ctrl-C leaves nothing.\n"
          "A damaged vector gives exit status 3 and no snapshot.\n\n"
          "Example:\n"
          "  quire snapshot create photos photos.quire\n"
          "  quire snapshot create photos s3://data/photos.quire",
          declare_create};
}

}  // namespace

Command snapshot_command() {
  return {
      "Copy",
      "snapshot",
      "Publish a store as one immutable file",
      "A snapshot holds all vectors of a store at one moment, with checksums. info, get, export,\n"
      "nearest and verify take it wherever they take a store.\n\n"
      "Example:\n"
      "  quire snapshot create photos photos.quire && quire verify photos.quire",
      nullptr,
      {create_subcommand()}};
}

}  // namespace quire::cli
