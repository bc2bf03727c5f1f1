#include "actors/shell/mailer.hpp"

#include "actors/object/mail.hpp"
#include "actors/shell/router.hpp"

namespace holdfast::shell {

bool Mailer::ring(std::string_view key) {
  const auto mail = keys::parse_mail(key);
  if (!mail) return true;
  if (under_way_.load(std::memory_order_relaxed) >= kUnderWay || services_.disk_used_up()) return false;
  const auto value = services_.store.get(Family::objects, keys::object_mail(mail->from, mail->seq));
  const auto floor = object::lowest_mail(services_.store, mail->from, mail->seq);
  if (!value || !floor) return false;  // the store cannot read now
  ++under_way_;
  if (!*value) {  // delivered, by a row of the index that was put off meanwhile
    end(*mail, std::nullopt);
    return true;
  }
  auto letter = object::decode_letter(**value);
  if (!letter) {
    end(*mail, std::move(letter.error()));
    return true;
  }
  const auto ended = [this, mail = *mail](auto&& reply) {
    end(mail, reply ? std::nullopt : std::optional(std::move(reply.error())));
  };
  if (auto* message = std::get_if<AdmitRequest>(&letter->content)) {
    session::Admit admit;
    admit.messages.push_back(std::move(*message));
    services_.router->send(std::make_shared<SessionCommand>(std::move(letter->to), std::move(admit), ended));
  } else if (services_.classes.contains(letter->to.object_class)) {
    OnMessage event{
        {{mail->from.object_class, mail->from.name}, mail->seq, std::move(std::get<std::string>(letter->content))},
        *floor};
    services_.router->send(std::make_shared<ObjectEvent>(std::move(letter->to), std::move(event), ended));
  } else {
    --under_way_;  // a process that has the class delivers it
  }
  return true;
}

void Mailer::end(const keys::Mail& mail, std::optional<Error> error) {
  --under_way_;
  if (error && (error->code == ErrorCode::shutting_down || error->code == ErrorCode::commit_unknown)) return;
  if (error && error->code == ErrorCode::insufficient_storage) {  // costs no attempt, and no write
    services_.timers.at(services_.clock.now() + kAgainMs, [this, mail] { services_.on_mail(mail); });
    return;
  }
  services_.router->send(std::make_shared<ObjectEvent>(mail.from, MailEnded{mail, std::move(error)}));
}

}  // namespace holdfast::shell
