// Backups of the store, made by the server that has it open.
//
// A path that comes by HTTP is a path on this machine. So it is for the operator only, it stands below the directory
// that whoever started the server named, also when a link in it leads elsewhere, and without that name there is none.
#include "http/bodies.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

namespace fs = std::filesystem;

// `wanted` from the client's hand, below the directory for backups or that itself. Errors: forbidden.
Result<fs::path> allowed(const Services& services, const fs::path& wanted) {
  if (services.backup_directory.empty()) {
    return fail(ErrorCode::forbidden,
                "this server makes no backups for clients; start it with --backup-directory DIR and name one below it");
  }
  std::error_code error;
  const auto root = fs::weakly_canonical(services.backup_directory, error);
  const auto path = error ? fs::path() : fs::weakly_canonical(root / wanted, error);
  const auto below = path.lexically_relative(root);
  if (error || below.empty() || *below.begin() == "..") {
    return fail(ErrorCode::forbidden,
                "\"" + wanted.string() + "\" is not below " + services.backup_directory.string() +
                    ", where this server makes backups; name a directory there, relative to it or in full",
                "/directory");
  }
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

Result<void> start_backup(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  json::Element body;
  HOLDFAST_TRY(body, x.json());
  BackupRequest request;
  HOLDFAST_TRY(request, backup_request(body));
  HOLDFAST_TRY(request.directory, allowed(x.services(), request.directory));
  const auto directory = request.directory.string();
  BackupStatus status;
  HOLDFAST_TRY(status, x.engine().start_backup(std::move(request)));
  x.answer().add_header("Location", "/v1/backups?directory=" + percent_encoded(directory));
  send_json(x, 202, to_json(status));
  return {};
}

Result<void> list_backups(Exchange& x) {
  Query parameters;
  HOLDFAST_TRY(parameters, Query::parse(x.request().query(), {"directory"}));
  const auto status = x.engine().backup_status();
  std::string items;
  if (const auto wanted = parameters.find("directory")) {
    fs::path directory;
    HOLDFAST_TRY(directory, allowed(x.services(), std::string(*wanted)));
    // While one is being made there, the directory is locked; the list is of interest when it is done.
    const bool busy = status.state == BackupStatus::State::copying || status.state == BackupStatus::State::verifying;
    if (!busy || status.directory != directory) {
      std::vector<Backup> backups;
      HOLDFAST_TRY(backups, Engine::backups(directory));
      for (const auto& backup : backups) items += (items.empty() ? "" : ",") + to_json(backup);
    }
  }
  send_json(x, 200, "{\"items\":[" + items + "],\"status\":" + to_json(status) + "}");
  return {};
}

}  // namespace holdfast::http
