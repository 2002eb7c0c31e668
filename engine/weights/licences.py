"""What the authors of the weights allow, a sentence each; not always what the code around them allows."""

OPENAI_DIFFUSION = (
    "OpenAI's model card: for research; “not intended to be commercially deployed”. The code around it is MIT."
)
OPENAI_CLIP = "OpenAI's model card: for research; any deployed use is out of its scope. The code around it is MIT."
FINE_TUNE = "Its author states no licence; what it was tuned from is for research (OpenAI's model card)."
CLIP_DIFFUSION_ART = (
    "Its repository's licence is Apache-2.0; what it was tuned from is for research (OpenAI's model card)."
)
SECONDARY = "Its author (Katherine Crowson) states no licence for the weights; the code around it is MIT."
REAL_ESRGAN = "BSD-3-Clause (Xintao Wang and others)."
SWINIR = "Apache-2.0 (Jingyun Liang and others)."
OWN = "Yours; you know its terms."
