"""How long a passage is cut: what a plan counts on and what a run does."""

# Of English text under the vocabularies of today's models; a passage of so many tokens is cut at so many times as many
# characters, whatever the model.
CHARACTERS_A_TOKEN = 4.2
