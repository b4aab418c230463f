// What it costs to read over HTTP, against a plain loop of libcurl that asks nginx on this machine for the same ranges.
//
// The file of 1 GiB lies in memory. nginx is one process on the last processor; Quire's two threads (the caller's and the
// network's) and the loop's one run where the system puts them. On two processors they share one with nginx at times.
//
// Contests (bench/contest.hpp); of Google Benchmark's arguments they know --benchmark_filter.
#include <benchmark/benchmark.h>
#include <curl/curl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bench/contest.hpp"
#include "bench/nginx_server.hpp"
#include "bench/scratch.hpp"
#include "quire/block_cache.hpp"
#include "quire/http_source.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using quire::ByteRange;

constexpr std::uint64_t kKiB = std::uint64_t{1} << 10;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kFileBytes = 1024 * kMiB;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The benchmark ends where what it needs fails.
void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

// ---- The file: noise that is known at each place.

std::uint64_t word_at(std::uint64_t index) {
  std::uint64_t word = (index + 1) * 0x9E3779B97F4A7C15U;
  word = (word ^ (word >> 30U)) * 0xBF58476D1CE4E5B9U;
  return word ^ (word >> 27U);
}

void fill(std::span<std::byte> bytes, std::uint64_t offset) {
  for (std::uint64_t at = 0; at < bytes.size(); at += 8) {
    const std::uint64_t word = word_at((offset + at) / 8);
    std::memcpy(bytes.data() + at, &word, 8);
  }
}

// Memory that a server can open by its path. Ends with this process, however that ends.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("object", MFD_CLOEXEC)) {
    check(descriptor_ >= 0 && ::ftruncate(descriptor_, kFileBytes) == 0, "no memory for the file");
    std::vector<std::byte> block(kMiB);
    for (std::uint64_t at = 0; at < kFileBytes; at += block.size()) {
      fill(block, at);
      const ssize_t written =
          ::pwrite(descriptor_, block.data(), block.size(), static_cast<off_t>(at));
      check(written == static_cast<ssize_t>(block.size()), "no memory for the file");
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

// Whoever reads shows the bytes of each place to one of these.
using See = std::function<void(std::uint64_t offset, std::span<const std::byte> bytes)>;

// ---- The plain loop: handles that are kept, each with a connection that is kept, and one thread.

struct Job {
  std::uint64_t offset = 0;
  std::span<std::byte> out;
};

class PlainLoop {
 public:
  PlainLoop(const std::string& url, std::size_t handles)
      : multi_(curl_multi_init()), slots_(handles) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(handles));
    for (Slot& slot : slots_) {
      CURL* easy = curl_easy_init();
      slot.easy.reset(easy);
      curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
      curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
      curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
      curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, static_cast<long>(64 * kKiB));
      curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take);
      curl_easy_setopt(easy, CURLOPT_WRITEDATA, static_cast<void*>(&slot));
      curl_easy_setopt(easy, CURLOPT_PRIVATE, static_cast<void*>(&slot));
    }
  }

  // As many jobs at once as there are handles.
  void run(std::span<const Job> jobs, const See& see) {
    std::size_t next = 0;
    for (Slot& slot : slots_) {
      if (next < jobs.size()) begin(slot, jobs[next++]);
    }
    for (std::size_t done = 0; done < jobs.size();) {
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      bool has_begun = false;
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        Slot& slot = finish(*message);
        see(slot.job.offset, slot.job.out);
        ++done;
        if (next == jobs.size()) continue;
        begin(slot, jobs[next++]);
        has_begun = true;
      }
      if (!has_begun && done < jobs.size()) {
        curl_multi_poll(multi_.get(), nullptr, 0, 1000, nullptr);
      }
    }
  }

 private:
  struct CloseEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct CloseMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  struct Slot {
    std::unique_ptr<CURL, CloseEasy> easy;
    Job job;
    std::size_t got = 0;
  };

  static std::size_t take(const char* data, std::size_t /*one*/, std::size_t length, void* self) {
    auto& slot = *static_cast<Slot*>(self);
    if (length > slot.job.out.size() - slot.got) return 0;
    std::memcpy(slot.job.out.data() + slot.got, data, length);
    slot.got += length;
    return length;
  }
  void begin(Slot& slot, const Job& job) {
    slot.job = job;
    slot.got = 0;
    std::array<char, 64> range{};
    std::snprintf(range.data(), range.size(), "%llu-%llu",
                  static_cast<unsigned long long>(job.offset),
                  static_cast<unsigned long long>(job.offset + job.out.size() - 1));
    curl_easy_setopt(slot.easy.get(), CURLOPT_RANGE, range.data());
    curl_multi_add_handle(multi_.get(), slot.easy.get());
  }
  Slot& finish(const CURLMsg& message) {
    CURL* easy = message.easy_handle;
    const CURLcode code = message.data.result;
    char* self = nullptr;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    auto& slot = *reinterpret_cast<Slot*>(self);
    check(code == CURLE_OK && status == 206 && slot.got == slot.job.out.size(),
          "the plain loop cannot read");
    curl_multi_remove_handle(multi_.get(), easy);
    return slot;
  }

  // The handles go before what they belong to.
  std::unique_ptr<CURLM, CloseMulti> multi_;
  std::vector<Slot> slots_;
};

// ---- Contestants

// One contestant: reads all of it, and shows what it read.
using Reader = std::function<void(const See& see)>;

class ReadContest {
 public:
  ReadContest(const NginxServer& server, const std::string& title, int rounds, ContestUnit unit)
      : server_(server), contest_(title, rounds, unit) {}

  bool is_wanted() const { return contest_.is_wanted(); }
  ReadContest& add(const std::string& name, const Reader& read) {
    readers_.emplace_back(name, read);
    contest_.add(name, [read] {
      const auto begin = Clock::now();
      read([](std::uint64_t, std::span<const std::byte>) {});
      return seconds_since(begin);
    });
    return *this;
  }
  ReadContest& goal(const std::string& name, const std::string& peer, double least) {
    contest_.goal(name, peer, least);
    return *this;
  }
  // Afterwards each reads once more, while the bytes are compared and what it asked for is counted.
  void run() {
    contest_.run();
    for (const auto& [name, read] : readers_) {
      const NginxServer::Counts before = server_.counts();
      std::uint64_t bytes = 0;
      std::vector<std::byte> right;
      read([&](std::uint64_t offset, std::span<const std::byte> got) {
        right.resize(got.size());
        fill(right, offset);
        check(std::ranges::equal(right, got), "wrong bytes");
        bytes += got.size();
      });
      const NginxServer::Counts after = server_.counts();
      std::printf("  %s: the right %llu bytes in %llu requests, %llu new connections\n",
                  name.c_str(), static_cast<unsigned long long>(bytes),
                  static_cast<unsigned long long>(after.requests - before.requests),
                  static_cast<unsigned long long>(after.connections - before.connections));
    }
    std::fflush(stdout);
  }

 private:
  const NginxServer& server_;
  Contest contest_;
  std::vector<std::pair<std::string, Reader>> readers_;
};

using Source = std::shared_ptr<const quire::ByteSource>;

Source open(const std::string& url, quire::HttpSourceOptions options) {
  options.allow_private_network = true;
  options.open_bytes = 1;  // what opening keeps needs no request later
  return quire::open_http_source(url, options).value();
}

// ---- 1 GiB from front to back, 1 MiB a request, 8 in flight; into 64 MiB of memory, again and again.

constexpr std::uint64_t kBufferBytes = 64 * kMiB;

void by_pieces(const quire::ByteSource& source, std::span<std::byte> buffer, const See& see) {
  for (std::uint64_t at = 0; at < kFileBytes; at += buffer.size()) {
    source.read_into(at, buffer).value();
    see(at, buffer);
  }
}

// Through a cache that has nothing of it yet.
void through_cache(const Source& source, const quire::BlockCacheOptions& options,
                   std::uint64_t piece, const See& see) {
  const auto cached = quire::BlockCache::create(options).value()->attach(source);
  for (std::uint64_t at = 0; at < kFileBytes; at += piece) {
    see(at, cached->read(at, piece).value().span());
  }
}

void contest_sequential(const NginxServer& server, const std::string& url) {
  ReadContest contest(
      server, "Http/1GiB, 1MiB x 8", 5,
      {1e3 * static_cast<double>(kMiB) / static_cast<double>(kFileBytes), "ms a MiB"});
  if (!contest.is_wanted()) return;
  std::vector<std::byte> buffer(kBufferBytes);
  const Source source = open(url, {.max_request_bytes = kMiB, .max_in_flight = 8});
  PlainLoop loop(url, 8);
  std::vector<Job> jobs;
  for (std::uint64_t at = 0; at < kFileBytes; at += kMiB) {
    jobs.push_back({at, std::span(buffer).subspan(at % kBufferBytes, kMiB)});
  }
  contest.add("Quire", [&](const See& see) { by_pieces(*source, buffer, see); })
      .add("Quire, cache of 1 MiB blocks",
           [&](const See& see) {
             through_cache(source,
                           {.capacity_bytes = 128 * kMiB, .block_bytes = std::uint32_t{kMiB}}, kMiB,
                           see);
           })
      .add("Quire, cache as it comes, 64 KiB",
           [&](const See& see) { through_cache(source, {}, 64 * kKiB, see); })
      .add("libcurl", [&](const See& see) { loop.run(jobs, see); })
      .goal("Quire", "libcurl", 0.9)
      .run();
}

// ---- 4 KiB here and there, 64 in flight.

constexpr std::uint64_t kSmall = 4 * kKiB;
constexpr std::size_t kSmallReads = 16 * 1024;

std::vector<ByteRange> random_ranges(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<ByteRange> ranges(count);
  for (ByteRange& range : ranges) range = {random() % (kFileBytes / kSmall) * kSmall, kSmall};
  return ranges;
}

void by_batches(const quire::ByteSource& source, std::span<const ByteRange> ranges,
                std::size_t batch, const See& see) {
  for (; !ranges.empty(); ranges = ranges.subspan(batch)) {
    const auto read = source.read_many(ranges.first(batch)).value();
    for (std::size_t i = 0; i < batch; ++i) see(ranges[i].offset, read[i].span());
  }
}

std::vector<Job> jobs_of(std::span<const ByteRange> ranges, std::span<std::byte> buffer) {
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    jobs.push_back({ranges[i].offset, buffer.subspan(i * kSmall % buffer.size(), kSmall)});
  }
  return jobs;
}

void contest_random(const NginxServer& server, const std::string& url) {
  ReadContest contest(server, "Http/4KiB x 64", 7,
                      {1e6 / static_cast<double>(kSmallReads), "us a read"});
  if (!contest.is_wanted()) return;
  const std::vector<ByteRange> ranges = random_ranges(kSmallReads);
  std::vector<std::byte> buffer(1024 * kSmall);
  const std::vector<Job> jobs = jobs_of(ranges, buffer);
  const Source source = open(url, {.max_gap = 0, .max_in_flight = 64});
  PlainLoop loop(url, 64);
  contest
      .add("Quire, 1024 a batch", [&](const See& see) { by_batches(*source, ranges, 1024, see); })
      .add("Quire, 64 a batch", [&](const See& see) { by_batches(*source, ranges, 64, see); })
      .add("Quire, 1024 a batch, cache of 4 KiB blocks",
           [&](const See& see) {
             const auto cache = quire::BlockCache::create(
                 {.capacity_bytes = 16 * kMiB, .block_bytes = std::uint32_t{kSmall}});
             by_batches(*cache.value()->attach(source), ranges, 1024, see);
           })
      .add("libcurl", [&](const See& see) { loop.run(jobs, see); })
      .add("libcurl, 64 a batch",
           [&](const See& see) {
             for (std::size_t at = 0; at < jobs.size(); at += 64) {
               loop.run(std::span(jobs).subspan(at, 64), see);
             }
           })
      .goal("Quire, 1024 a batch", "libcurl", 0.75)
      .goal("Quire, 64 a batch", "libcurl, 64 a batch", 0.75)
      .run();
}

// ---- 4 KiB at a time, and opening.

void contest_single(const NginxServer& server, const std::string& url) {
  constexpr std::size_t kReads = 2048;
  ReadContest contest(server, "Http/4KiB x 1", 7, {1e6 / static_cast<double>(kReads), "us a read"});
  if (!contest.is_wanted()) return;
  const std::vector<ByteRange> ranges = random_ranges(kReads);
  std::vector<std::byte> buffer(kSmall);
  const Source source = open(url, {});
  PlainLoop loop(url, 1);
  contest
      .add("Quire",
           [&](const See& see) {
             for (const ByteRange& range : ranges) {
               source->read_into(range.offset, buffer).value();
               see(range.offset, buffer);
             }
           })
      .add("libcurl",
           [&](const See& see) {
             for (const ByteRange& range : ranges) {
               const Job job{range.offset, buffer};
               loop.run({&job, 1}, see);
             }
           })
      .goal("Quire", "libcurl", 0.75)
      .run();
}

// Opening asks for the first 4 KiB. Warm: the connection is there, because another source has it.
void contest_opening(const NginxServer& server, const std::string& url) {
  constexpr std::size_t kTimes = 256;
  ReadContest contest(server, "Http/opening", 7,
                      {1e6 / static_cast<double>(kTimes), "us an opening"});
  if (!contest.is_wanted()) return;
  std::vector<std::byte> buffer(kSmall);
  const Job front{0, buffer};
  const quire::HttpSourceOptions options{.allow_private_network = true, .open_bytes = kSmall};
  const auto open_them = [&](const See& see) {
    for (std::size_t i = 0; i < kTimes; ++i) {
      const Source source = quire::open_http_source(url, options).value();
      see(0, source->read(0, kSmall).value().span());
    }
  };
  PlainLoop loop(url, 1);
  contest
      .add("Quire, warm",
           [&](const See& see) {
             const Source other = quire::open_http_source(url, options).value();
             open_them(see);
           })
      .add("Quire, cold", open_them)
      .add("libcurl, warm",
           [&](const See& see) {
             for (std::size_t i = 0; i < kTimes; ++i) loop.run({&front, 1}, see);
           })
      .add("libcurl, cold",
           [&](const See& see) {
             for (std::size_t i = 0; i < kTimes; ++i) PlainLoop(url, 1).run({&front, 1}, see);
           })
      .run();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (!NginxServer::is_installed()) {
    std::printf("not available: nginx is not installed\n");
    return 0;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const MemoryFile file;
  const Scratch scratch;
  std::filesystem::create_symlink(file.path(), scratch / "object");
  const NginxServer server(scratch / "");
  std::printf("nginx on processor %d\n", NginxServer::processor());
  const std::string url = server.url("object");
  contest_sequential(server, url);
  contest_random(server, url);
  contest_single(server, url);
  contest_opening(server, url);
}
