// What no compiler checks: the direction of the includes, public headers that stand alone, a page for every error code,
// links that lead somewhere, files that read in one sitting.
//
// A check is a function from files to complaints. It is tried first on a bad example, so that it can fail, and then on
// the tree, where it must have none. A complaint names the place and says what to do.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Complaints = std::vector<std::string>;

struct File {
  std::string path;  // from the top of the tree
  std::string text;
};

const fs::path& top() {
  static const fs::path kTop(HOLDFAST_SOURCE_DIR);
  return kTop;
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool ends_with_any(std::string_view text, const std::vector<std::string_view>& endings) {
  return std::any_of(endings.begin(), endings.end(), [&](auto ending) { return text.ends_with(ending); });
}

// The files of `place` (a folder or a file) with one of these endings, sorted, without what npm installed; nothing when
// there is no such place.
std::vector<File> files_in(const std::string& place, const std::vector<std::string_view>& endings) {
  std::vector<File> files;
  const auto add = [&](const fs::path& path) {
    const auto name = path.lexically_relative(top()).generic_string();
    if (ends_with_any(name, endings)) files.push_back({name, slurp(path)});
  };
  if (fs::is_regular_file(top() / place)) add(top() / place);
  if (fs::is_directory(top() / place)) {
    for (auto entry = fs::recursive_directory_iterator(top() / place); entry != fs::recursive_directory_iterator();
         ++entry) {
      if (entry->path().filename() == "node_modules") entry.disable_recursion_pending();
      if (entry->is_regular_file()) add(entry->path());
    }
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.path < b.path; });
  return files;
}

std::vector<File> files_in(const std::vector<std::string>& places, const std::vector<std::string_view>& endings) {
  std::vector<File> files;
  for (const auto& place : places) {
    for (auto& file : files_in(place, endings)) files.push_back(std::move(file));
  }
  return files;
}

std::vector<File> sources_of(const std::vector<std::string>& places) { return files_in(places, {".cpp", ".hpp"}); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The releases of a changelog, "1.2.3", in its order.
std::vector<std::string> versions_in(const std::string& changelog) {
  constexpr std::string_view kHead = "## [";
  std::vector<std::string> versions;
  for (const auto& line : lines_of(changelog)) {
    if (!line.starts_with(kHead) || line.size() <= kHead.size() || std::isdigit(line[kHead.size()]) == 0) continue;
    versions.push_back(line.substr(kHead.size(), line.find(']') - kHead.size()));
  }
  return versions;
}

std::string joined(const Complaints& complaints) {
  std::string out;
  for (const auto& complaint : complaints) out += "\n  " + complaint;
  return out;
}

// ---- includes --------------------------------------------------------------------------------------------------

struct Include {
  std::string name;
  std::string place;  // "path:line"
  bool angle = false;
};

std::vector<Include> includes_of(const File& file) {
  std::vector<Include> includes;
  int number = 0;
  for (const auto& line : lines_of(file.text)) {
    ++number;
    const auto hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line[hash] != '#') continue;
    const auto word = line.find_first_not_of(" \t", hash + 1);
    if (word == std::string::npos || line.compare(word, 7, "include") != 0) continue;
    const auto open = line.find_first_of("<\"", word + 7);
    if (open == std::string::npos) continue;
    const auto close = line.find(line[open] == '<' ? '>' : '"', open + 1);
    if (close == std::string::npos) continue;
    includes.push_back(
        {line.substr(open + 1, close - open - 1), file.path + ":" + std::to_string(number), line[open] == '<'});
  }
  return includes;
}

// core <- storage <- egress <- actors <- engine <- http <- cli, and the public headers left of all. The kernels stand
// left of the shell that runs them.
struct Room {
  std::string_view folder;
  int rank;
};
constexpr std::array kRooms{
    Room{"src/include/holdfast/", 0}, Room{"src/core/", 1},     Room{"storage/", 2},
    Room{"src/egress/", 3},           Room{"actors/shell/", 5}, Room{"actors/", 4},
    Room{"src/engine/", 6},           Room{"http/", 7},         Room{"src/cli/", 8},
};

const Room* room_of(std::string_view path) {
  const auto* const room =
      std::find_if(kRooms.begin(), kRooms.end(), [&](const Room& r) { return path.starts_with(r.folder); });
  return room == kRooms.end() ? nullptr : room;
}

Complaints against_the_direction(const std::vector<File>& files) {
  Complaints out;
  for (const auto& file : files) {
    const auto* const room = room_of(file.path);
    if (room == nullptr) {
      out.push_back(file.path + " is in no room: put it into one of core, storage, egress, actors, engine, http, cli");
      continue;
    }
    for (const auto& include : includes_of(file)) {
      const auto target = include.name.starts_with("holdfast/") ? "src/include/" + include.name : include.name;
      const auto* const other = room_of(target);
      if (other == nullptr && !include.angle) {
        out.push_back(include.place + " includes \"" + include.name + "\": write the path from the top of the tree");
      } else if (other != nullptr && other->rank > room->rank) {
        out.push_back(
            include.place + " includes " + include.name + ", which stands right of " + std::string(room->folder) +
            " (core <- storage <- egress <- actors <- engine <- http <- cli): move what it needs to the left, or hand "
            "it in through an interface");
      }
    }
  }
  return out;
}

// Which library is known where.
struct Library {
  std::string_view header;                // how its includes begin
  std::vector<std::string_view> folders;  // where they may stand
};
const std::vector<Library>& libraries() {
  static const std::vector<Library> kLibraries{
      {"caf/", {"actors/shell/", "src/engine/"}},
      {"rocksdb/", {"storage/"}},
      {"curl/", {"src/egress/"}},
      {"boost/beast", {"http/", "src/cli/", "examples/"}},
      {"boost/asio", {"http/", "src/cli/", "examples/"}},
  };
  return kLibraries;
}

Complaints libraries_out_of_place(const std::vector<File>& files) {
  Complaints out;
  for (const auto& file : files) {
    for (const auto& include : includes_of(file)) {
      for (const auto& library : libraries()) {
        if (!include.name.starts_with(library.header)) continue;
        const auto& folders = library.folders;
        if (std::any_of(folders.begin(), folders.end(), [&](auto folder) { return file.path.starts_with(folder); }))
          continue;
        std::string where;
        for (const auto folder : folders) where += (where.empty() ? "" : ", ") + std::string(folder);
        out.push_back(include.place + " includes <" + include.name + ">, which only " + where +
                      " may know: use or extend what that room offers");
      }
    }
  }
  return out;
}

// The kernels take the time, the randomness and the turn from whoever calls them, so that a simulation can repeat them.
Complaints impure_kernels(const std::vector<File>& files) {
  static const std::set<std::string> kHeaders{
      "chrono", "ctime",  "time.h",    "sys/time.h", "thread", "mutex",      "shared_mutex", "condition_variable",
      "future", "atomic", "semaphore", "barrier",    "latch",  "stop_token", "random",       "src/core/clock.hpp"};
  static const std::vector<std::string_view> kWords{"std::chrono", "std::thread", "std::jthread",      "std::mutex",
                                                    "std::atomic", "std::async",  "std::random_device"};
  Complaints out;
  for (const auto& file : files) {
    for (const auto& include : includes_of(file)) {
      if (kHeaders.contains(include.name) || include.name.starts_with("caf/"))
        out.push_back(include.place + " includes " + include.name +
                      " in a kernel: take a Time or a Random as an argument, and leave threads to actors/shell");
    }
    for (const auto word : kWords) {
      if (file.text.find(word) != std::string::npos)
        out.push_back(file.path + " names " + std::string(word) +
                      " in a kernel: take a Time or a Random as an argument, and leave threads to actors/shell");
    }
  }
  return out;
}

// An example shows what a user of the library can write.
Complaints private_includes(const std::vector<File>& files) {
  Complaints out;
  for (const auto& file : files) {
    for (const auto& include : includes_of(file)) {
      const auto* const room = room_of(include.name);
      if (room != nullptr)
        out.push_back(include.place + " includes " + include.name + ": an example includes only <holdfast/...>");
    }
  }
  return out;
}

// ---- public headers --------------------------------------------------------------------------------------------

// A folder of its own below the system's temporary one, removed at the end.
class Scratch {
 public:
  Scratch() {
    std::string form = (fs::temp_directory_path() / "holdfast-tidy-XXXXXX").string();
    REQUIRE(::mkdtemp(form.data()) != nullptr);
    path_ = form;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

// Compiles a source that holds nothing but `#include <name>`, found below `root`.
Complaints not_alone(const fs::path& root, const std::string& name) {
  const Scratch scratch;
  const auto source = scratch.path() / "alone.cpp";
  const auto log = scratch.path() / "log";
  std::ofstream(source) << "#include <" << name << ">\n";
  const auto command = "c++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only -H -I '" + root.string() + "' '" +
                       source.string() + "' >'" + log.string() + "' 2>&1";
  const bool compiled = std::system(command.c_str()) == 0;
  Complaints out;
  std::string errors;
  for (const auto& line : lines_of(slurp(log))) {
    if (!line.starts_with('.')) {
      if (line.find("error") != std::string::npos) errors += "\n    " + line;
      continue;
    }
    for (const std::string library : {"/caf/", "/rocksdb/", "/boost/"}) {
      if (line.find(library) != std::string::npos)
        out.push_back("<" + name + "> pulls in " + line.substr(line.find('/')) +
                      ": a public header names no library's types; hide them behind a forward declaration");
    }
  }
  if (!compiled) out.push_back("<" + name + "> does not compile alone: include what it uses" + errors);
  return out;
}

// ---- error pages -----------------------------------------------------------------------------------------------

// The names in error.cpp: the first string of every row `Face{ErrorCode::x, 400, false, "x", "..."}`.
std::set<std::string> codes_in(const std::string& text) {
  std::set<std::string> codes;
  for (const auto& line : lines_of(text)) {
    const auto row = line.find("Face{ErrorCode::");
    if (row == std::string::npos) continue;
    const auto open = line.find('"', row);
    codes.insert(line.substr(open + 1, line.find('"', open + 1) - open - 1));
  }
  return codes;
}

Complaints codes_without_page(const std::set<std::string>& codes, const std::vector<File>& pages) {
  Complaints out;
  std::set<std::string> found;
  for (const auto& page : pages) {
    const auto code = fs::path(page.path).stem().string();
    found.insert(code);
    if (!codes.contains(code))
      out.push_back(page.path + " is the page of no error code: delete it, or add the code to src/core/error.cpp");
    else if (page.text.find("`" + code + "`") == std::string::npos)
      out.push_back(page.path + " does not name its code: write `" + code + "` below the title");
  }
  for (const auto& code : codes) {
    if (!found.contains(code))
      out.push_back("docs/errors/" + code + ".md is missing: say what `" + code + "` means and what to do");
  }
  return out;
}

// ---- links -----------------------------------------------------------------------------------------------------

// Markdown without its code: fenced blocks and `spans` become blanks, line ends stay.
std::string without_code(const std::string& text) {
  std::string out;
  bool fenced = false;
  for (const auto& line : lines_of(text)) {
    const auto start = line.find_first_not_of(' ');
    const bool fence =
        start != std::string::npos && (line.compare(start, 3, "```") == 0 || line.compare(start, 3, "~~~") == 0);
    if (fence) fenced = !fenced;
    std::string kept = fenced || fence ? std::string() : line;
    for (auto open = kept.find('`'); open != std::string::npos;) {
      const auto close = kept.find('`', open + 1);
      if (close == std::string::npos) break;
      std::fill(kept.begin() + static_cast<std::ptrdiff_t>(open), kept.begin() + static_cast<std::ptrdiff_t>(close) + 1,
                ' ');
      open = kept.find('`', close + 1);
    }
    out += kept + '\n';
  }
  return out;
}

struct Link {
  std::string target;
  std::string place;
};

// [text](target "title"), ![image](target), [label]: target, href="target", src="target".
std::vector<Link> links_of(const File& page) {
  std::vector<Link> links;
  int number = 0;
  for (const auto& line : lines_of(without_code(page.text))) {
    const auto place = page.path + ":" + std::to_string(++number);
    const auto add = [&](std::size_t from, std::string_view ends) {
      links.push_back({line.substr(from, line.find_first_of(ends, from) - from), place});
    };
    for (auto at = line.find("]("); at != std::string::npos; at = line.find("](", at + 2)) add(at + 2, ") ");
    for (const std::string attribute : {"href=\"", "src=\""}) {
      for (auto at = line.find(attribute); at != std::string::npos; at = line.find(attribute, at + 1))
        add(at + attribute.size(), "\"");
    }
    const auto label = line.find("]: ");
    if (line.starts_with('[') && label != std::string::npos) add(line.find_first_not_of(' ', label + 2), " ");
  }
  return links;
}

// The anchors that GitHub makes of the headings.
std::set<std::string> anchors_of(const std::string& text) {
  std::set<std::string> anchors;
  bool fenced = false;
  for (const auto& line : lines_of(text)) {
    if (line.starts_with("```")) fenced = !fenced;
    const auto level = line.find_first_not_of('#');
    if (fenced || level == 0 || level == std::string::npos || level > 6 || line[level] != ' ') continue;
    std::string anchor;
    for (const char c : line.substr(level + 1)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x80 || std::isalnum(byte) != 0 || c == '-' || c == '_')
        anchor += static_cast<char>(std::tolower(byte));
      else if (c == ' ') anchor += '-';
    }
    auto name = anchor;
    for (int n = 1; !anchors.insert(name).second; ++n) name = anchor + "-" + std::to_string(n);
  }
  return anchors;
}

Complaints dead_links(const fs::path& root, const std::vector<File>& pages) {
  Complaints out;
  for (const auto& page : pages) {
    for (const auto& link : links_of(page)) {
      if (link.target.find("://") != std::string::npos || link.target.starts_with("mailto:")) continue;
      const auto hash = link.target.find('#');
      const auto path = link.target.substr(0, hash);
      const auto file = path.empty()     ? root / page.path
                        : path[0] == '/' ? root / path.substr(1)
                                         : root / fs::path(page.path).parent_path() / path;
      if (!fs::exists(file)) {
        out.push_back(link.place + " links to " + link.target + ", which is not there: correct the path");
      } else if (hash != std::string::npos && file.extension() == ".md" &&
                 !anchors_of(slurp(file)).contains(link.target.substr(hash + 1))) {
        out.push_back(link.place + " links to " + link.target + ", but there is no such heading: correct the anchor");
      }
    }
  }
  return out;
}

// ---- size ------------------------------------------------------------------------------------------------------

constexpr std::size_t kLinesMax = 600;

Complaints too_long(const std::vector<File>& files) {
  Complaints out;
  for (const auto& file : files) {
    const auto lines = static_cast<std::size_t>(std::count(file.text.begin(), file.text.end(), '\n'));
    if (lines > kLinesMax)
      out.push_back(file.path + " has " + std::to_string(lines) + " lines, over " + std::to_string(kLinesMax) +
                    ": divide it by concept");
  }
  return out;
}

const std::vector<std::string> kRoomFolders{"src", "storage", "actors", "http"};

}  // namespace

#define CHECK_NONE(expression)          \
  do {                                  \
    const auto complaints = expression; \
    INFO(joined(complaints));           \
    CHECK(complaints.empty());          \
  } while (false)

TEST_CASE("tidy: the tree is where the tests look for it", "[tidy]") {
  CHECK(sources_of(kRoomFolders).size() > 100);
  for (const auto& room : kRooms) {
    CAPTURE(room.folder);
    CHECK_FALSE(sources_of({std::string(room.folder)}).empty());
  }
}

TEST_CASE("tidy: an include is recognised in every way to write it", "[tidy]") {
  const auto found =
      includes_of({"a.hpp", "#include <a>\n  #  include \"b.hpp\"  // why\n// #include <c>\n#define d\n"});
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "a");
  CHECK(found[0].angle);
  CHECK(found[1].name == "b.hpp");
  CHECK(found[1].place == "a.hpp:2");
  CHECK_FALSE(found[1].angle);
}

TEST_CASE("tidy: includes point left", "[tidy]") {
  const auto complaints_of = [](const std::string& path, const std::string& include) {
    return against_the_direction({{path, "#include " + include + "\n"}}).size();
  };
  CHECK(complaints_of("src/core/a.cpp", "\"storage/store.hpp\"") == 1);
  CHECK(complaints_of("storage/a.cpp", "\"actors/session/kernel.hpp\"") == 1);
  CHECK(complaints_of("actors/session/a.hpp", "\"actors/shell/hub.hpp\"") == 1);
  CHECK(complaints_of("actors/shell/a.hpp", "\"src/engine/impl.hpp\"") == 1);
  CHECK(complaints_of("src/engine/a.hpp", "\"http/server.hpp\"") == 1);
  CHECK(complaints_of("http/a.hpp", "\"src/cli/cli.hpp\"") == 1);
  CHECK(complaints_of("src/include/holdfast/a.hpp", "\"src/core/ids.hpp\"") == 1);
  CHECK(complaints_of("http/a.cpp", "\"server.hpp\"") == 1);
  CHECK(complaints_of("elsewhere/a.cpp", "<vector>") == 1);
  CHECK(complaints_of("src/core/a.cpp", "<holdfast/types.hpp>") == 0);
  CHECK(complaints_of("src/cli/main/a.cpp", "\"http/server.hpp\"") == 0);
  CHECK(complaints_of("actors/shell/a.cpp", "\"actors/session/kernel.hpp\"") == 0);
  CHECK_NONE(against_the_direction(sources_of(kRoomFolders)));
}

TEST_CASE("tidy: CAF, RocksDB, Beast and Asio stay in their rooms", "[tidy]") {
  const auto complaints_of = [](const std::string& path, const std::string& include) {
    return libraries_out_of_place({{path, "#include " + include + "\n"}}).size();
  };
  CHECK(complaints_of("http/a.cpp", "<caf/all.hpp>") == 1);
  CHECK(complaints_of("actors/session/a.cpp", "<caf/all.hpp>") == 1);
  CHECK(complaints_of("src/engine/a.cpp", "<rocksdb/db.h>") == 1);
  CHECK(complaints_of("storage/a.cpp", "<boost/asio.hpp>") == 1);
  CHECK(complaints_of("src/engine/a.cpp", "<boost/beast/core.hpp>") == 1);
  CHECK(complaints_of("examples/a/main.cpp", "<caf/all.hpp>") == 1);
  CHECK(complaints_of("actors/shell/a.cpp", "<caf/all.hpp>") == 0);
  CHECK(complaints_of("storage/a.cpp", "<rocksdb/db.h>") == 0);
  CHECK(complaints_of("src/cli/a.cpp", "<boost/asio.hpp>") == 0);
  auto files = sources_of(kRoomFolders);
  for (auto& file : sources_of({"examples"})) files.push_back(std::move(file));
  CHECK_NONE(libraries_out_of_place(files));
}

TEST_CASE("tidy: a kernel reads no clock and knows no thread", "[tidy]") {
  CHECK(impure_kernels({{"actors/session/a.cpp", "#include <chrono>\n"}}).size() == 1);
  CHECK(impure_kernels({{"actors/session/a.cpp", "#include \"src/core/clock.hpp\"\n"}}).size() == 1);
  CHECK(impure_kernels({{"actors/session/a.cpp", "#include <caf/actor.hpp>\n"}}).size() == 1);
  CHECK(impure_kernels({{"actors/session/a.cpp", "auto t = std::chrono::system_clock::now();\n"}}).size() == 1);
  CHECK(impure_kernels({{"actors/session/a.cpp", "#include <vector>\n"}}).empty());
  CHECK_NONE(impure_kernels(sources_of({"actors/session"})));
}

TEST_CASE("tidy: examples include public headers only", "[tidy]") {
  CHECK(private_includes({{"examples/a/main.cpp", "#include \"src/core/ids.hpp\"\n"}}).size() == 1);
  CHECK(private_includes({{"examples/a/main.cpp", "#include <holdfast/engine.hpp>\n"}}).empty());
  CHECK_NONE(private_includes(sources_of({"examples"})));
}

TEST_CASE("tidy: each public header compiles alone, without CAF, RocksDB and Boost", "[tidy]") {
  const Scratch bad;
  fs::create_directories(bad.path() / "rocksdb");
  std::ofstream(bad.path() / "rocksdb" / "status.h") << "#pragma once\n";
  std::ofstream(bad.path() / "needy.hpp") << "#pragma once\nstd::string name();\n";
  std::ofstream(bad.path() / "leaky.hpp") << "#pragma once\n#include <rocksdb/status.h>\n";
  std::ofstream(bad.path() / "good.hpp") << "#pragma once\n#include <string>\nstd::string name();\n";
  CHECK(not_alone(bad.path(), "needy.hpp").size() == 1);
  CHECK(not_alone(bad.path(), "leaky.hpp").size() == 1);
  CHECK_NONE(not_alone(bad.path(), "good.hpp"));

  const auto headers = files_in(std::string("src/include/holdfast"), {".hpp"});
  REQUIRE(headers.size() >= 4);
  for (const auto& header : headers)
    CHECK_NONE(not_alone(top() / "src/include", header.path.substr(std::string_view("src/include/").size())));
}

TEST_CASE("tidy: every error code has its page, and every page its code", "[tidy]") {
  const std::set<std::string> codes{"gone", "queue_full"};
  CHECK(codes_in("  Face{ErrorCode::gone, 410, false, \"gone\", \"Gone\"},\n") == std::set<std::string>{"gone"});
  CHECK(codes_without_page(codes, {{"docs/errors/gone.md", "`410` `gone`"}}).size() == 1);
  CHECK(codes_without_page({"gone"}, {{"docs/errors/gone.md", "something else"}}).size() == 1);
  CHECK(codes_without_page({"gone"}, {{"docs/errors/gone.md", "`gone`"}, {"docs/errors/lost.md", "`lost`"}}).size() ==
        1);
  CHECK(codes_without_page({"gone"}, {{"docs/errors/gone.md", "`gone`"}}).empty());

  const auto known = codes_in(slurp(top() / "src/core/error.cpp"));
  REQUIRE(known.size() >= 28);
  CHECK_NONE(codes_without_page(known, files_in(std::string("docs/errors"), {".md"})));
}

TEST_CASE("tidy: links lead somewhere", "[tidy]") {
  const Scratch tree;
  fs::create_directories(tree.path() / "docs");
  std::ofstream(tree.path() / "docs" / "there.md") << "# A title, of sorts\n## Twice\n## Twice\n";
  const auto complaints_of = [&](const std::string& text) {
    return dead_links(tree.path(), {{"docs/page.md", text}}).size();
  };
  CHECK(complaints_of("[a](gone.md)\n") == 1);
  CHECK(complaints_of("[a](there.md) and [b](gone.md \"title\")\n") == 1);
  CHECK(complaints_of("![a](picture.png)\n") == 1);
  CHECK(complaints_of("<img src=\"picture.png\">\n") == 1);
  CHECK(complaints_of("[label]: gone.md\n") == 1);
  CHECK(complaints_of("[a](there.md#nowhere)\n") == 1);
  CHECK(complaints_of("[a](there.md#a-title-of-sorts) [b](there.md#twice-1) [c](/docs/there.md) [d](../docs)\n") == 0);
  CHECK(complaints_of("[a](https://example.com/x) [b](mailto:a@example.com)\n") == 0);
  CHECK(complaints_of("`[a](gone.md)`\n```\n[a](gone.md)\n```\n") == 0);
  const std::vector<std::string> places{"README.md",  "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs",
                                        "benchmarks", "examples",        "clients",      "packaging",   "tests"};
  CHECK_NONE(dead_links(top(), files_in(places, {".md"})));
}

TEST_CASE("tidy: every version of the changelog has left a store that later ones must open", "[tidy]") {
  const auto kept = [](const std::string& version) {
    return fs::is_directory(top() / "tests/stores" / ("v" + version));
  };
  CHECK(versions_in("## [Unreleased]\n## [1.2.3] - 2026-01-02\n### Added\n## [0.1.0]\n") ==
        std::vector<std::string>{"1.2.3", "0.1.0"});
  CHECK(kept("0.1.0"));
  CHECK_FALSE(kept("0.0.0"));
  for (const auto& version : versions_in(slurp(top() / "CHANGELOG.md"))) {
    INFO("tests/unit/upgrade_test.cpp says how to write the store of version " << version);
    CHECK(kept(version));
  }
}

TEST_CASE("tidy: a file reads in one sitting", "[tidy]") {
  std::string text;
  for (std::size_t i = 0; i < kLinesMax; ++i) text += "\n";
  CHECK(too_long({{"a.cpp", text}}).empty());
  CHECK(too_long({{"a.cpp", text + "\n"}}).size() == 1);
  CHECK_NONE(too_long(sources_of(kRoomFolders)));
}
