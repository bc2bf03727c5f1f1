// The pull path: claims, and what a runtime says about its deliveries.
#include "http/bodies.hpp"
#include "http/respond.hpp"
#include "http/routes.hpp"
#include "src/core/strict.hpp"

namespace holdfast::http {
namespace {

void send_deliveries(Exchange& x, std::vector<Delivery>& deliveries) {
  auto& answer = x.answer();
  if (deliveries.empty()) {
    answer.status = 204;
    return x.send();
  }
  answer.add_header("Cache-Control", "no-store");  // it may carry a credential
  answer.body += "{\"deliveries\":[";
  for (std::size_t i = 0; i < deliveries.size(); ++i) {
    if (i != 0) answer.body += ',';
    answer.body += to_json(deliveries[i]);
  }
  answer.body += "]}";
  x.send();
}

// Turns that were handed to a client who left go back at once instead of when their leases run out.
void release_all(Services& services, std::vector<Delivery>& deliveries) {
  for (auto& delivery : deliveries)
    services.engine.load()->release_async({std::move(delivery.delivery), std::move(delivery.lease)},
                                          [](Result<Nothing>) {});
}

void send_heartbeat(Exchange& x, Heartbeat& heartbeat) {
  x.answer().body = to_json(heartbeat);
  x.send();
}

void send_last_event(Exchange& x, std::uint64_t& id) {
  auto& answer = x.answer();
  json::ObjectWriter(answer.body).text("last_event", std::to_string(id)).end();
  x.send();
}

Result<LeaseRef> lease_of(const Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return tl::unexpected(std::move(ok.error()));
  LeaseRef ref;
  HOLDFAST_TRY(ref.delivery, x.name(0));
  const auto lease = x.request().single("holdfast-lease");
  if (!lease) return tl::unexpected(lease.error());
  if (!*lease || (*lease)->empty())
    return fail(ErrorCode::invalid_request, "send the delivery's lease in the header Holdfast-Lease");
  ref.lease = **lease;
  return ref;
}

}  // namespace

Result<void> claim_deliveries(Exchange& x) {
  if (auto ok = no_parameters(x); !ok) return ok;
  json::Element body;
  ClaimRequest request;
  HOLDFAST_TRY(body, x.json_or_empty());
  HOLDFAST_TRY(request, claim_request(body, x.limits()));
  if (x.caller().kind == Caller::Kind::runtime) {
    const auto& runtime = x.caller().runtime;
    if (!request.runtime.empty() && request.runtime != runtime)
      return fail(ErrorCode::forbidden, "this token is runtime " + runtime + "'s; it cannot claim for another");
    request.runtime = runtime;
  }
  // A claim is a sign of life of the runtime whose token it shows, also where auth is off.
  if (x.caller().kind != Caller::Kind::operator_key && !request.runtime.empty() && !x.caller().bearer.empty())
    x.engine().beat_runtime_async(request.runtime, {RuntimeProof::Kind::none, x.caller().bearer}, [](auto) {});
  x.engine().claim_async(std::move(request), x.then_waiting<std::vector<Delivery>>(&send_deliveries, &release_all));
  return {};
}

Result<void> accept_delivery(Exchange& x) {
  LeaseRef lease;
  HOLDFAST_TRY(lease, lease_of(x));
  if (auto ok = no_body(x); !ok) return ok;
  x.engine().accept_async(std::move(lease), x.then<Nothing>(&send_nothing));
  return {};
}

Result<void> heartbeat_delivery(Exchange& x) {
  LeaseRef lease;
  HOLDFAST_TRY(lease, lease_of(x));
  if (auto ok = no_body(x); !ok) return ok;
  x.engine().heartbeat_async(std::move(lease), x.then<Heartbeat>(&send_heartbeat));
  return {};
}

Result<void> append_delivery_events(Exchange& x) {
  LeaseRef lease;
  json::Element body;
  std::vector<RuntimeEvent> events;
  HOLDFAST_TRY(lease, lease_of(x));
  HOLDFAST_TRY(body, x.json());
  HOLDFAST_TRY(events, runtime_events(body, x.limits()));
  x.engine().append_events_async(std::move(lease), std::move(events), x.then<std::uint64_t>(&send_last_event));
  return {};
}

Result<void> complete_delivery(Exchange& x) {
  LeaseRef lease;
  json::Element body;
  Completion completed;
  HOLDFAST_TRY(lease, lease_of(x));
  HOLDFAST_TRY(body, x.json_or_empty());
  HOLDFAST_TRY(completed, completion(body, x.limits()));
  x.engine().complete_async(std::move(lease), std::move(completed), x.then<Nothing>(&send_nothing));
  return {};
}

Result<void> fail_delivery(Exchange& x) {
  LeaseRef lease;
  json::Element body;
  FailReport report;
  HOLDFAST_TRY(lease, lease_of(x));
  HOLDFAST_TRY(body, x.json());
  HOLDFAST_TRY(report, fail_report(body));
  x.engine().fail_async(std::move(lease), std::move(report), x.then<Nothing>(&send_nothing));
  return {};
}

Result<void> release_delivery(Exchange& x) {
  LeaseRef lease;
  HOLDFAST_TRY(lease, lease_of(x));
  if (auto ok = no_body(x); !ok) return ok;
  x.engine().release_async(std::move(lease), x.then<Nothing>(&send_nothing));
  return {};
}

}  // namespace holdfast::http
