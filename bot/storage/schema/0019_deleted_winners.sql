-- A winning picture that is deleted has to disappear from the challenge's messages, whatever deleted it.
CREATE TRIGGER challenge_winner_gone AFTER DELETE ON challenge_winners
BEGIN
    UPDATE challenges SET revision = revision + 1, tries = 0, not_before = 0 WHERE id = OLD.challenge_id;
END;
