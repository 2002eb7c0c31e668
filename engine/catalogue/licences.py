"""What the authors of the weights allow, a sentence each; not always what the code around them allows."""

OPENAI_DIFFUSION = (
    "OpenAI's model card: for research; “not intended to be commercially deployed”. The code around it is MIT."
)
OPENAI_BEDROOMS = "OpenAI states no terms for these weights; the code they come with (improved-diffusion) is MIT."
OPENAI_CLIP = "OpenAI's model card: for research; any deployed use is out of its scope. The code around it is MIT."
OF_IMAGENET = "Its author states no licence; it was tuned from OpenAI's ImageNet net, whose card says: for research."
FINE_TUNE = "Its author states no licence; it was tuned from one of OpenAI's nets, or in their shape."
CLIP_DIFFUSION_ART = "Its repository's licence is Apache-2.0; it was tuned from OpenAI's bedrooms."
TAMING = "Its authors state no terms for these weights; the code they come with (taming-transformers) is MIT."
VQGAN_TUNED = "Its author states no licence; it was trained with taming-transformers, whose code is MIT."
BIGGAN = (
    "Who converted them states no terms for these weights of DeepMind; "
    "the code around them (pytorch-pretrained-BigGAN) is MIT."
)
SECONDARY = "Its author (Katherine Crowson) states no licence for the weights; the code around it is MIT."
REAL_ESRGAN = "BSD-3-Clause (Xintao Wang and others)."
SWINIR = "Apache-2.0 (Jingyun Liang and others)."
OWN = "Yours; you know its terms."
