"""Every attack there is, by name. A mix is any choice of them."""

from cluster.evals.attacks import adaptive, backdoors, collusion, disguise, hostile, persuasion, weaknesses
from cluster.evals.attacks.poison import Attack

ATTACKS: tuple[Attack, ...] = (
    *collusion.ATTACKS,
    *weaknesses.ATTACKS,
    *backdoors.ATTACKS,
    *persuasion.ATTACKS,
    *hostile.ATTACKS,
    *disguise.ATTACKS,
    *adaptive.ATTACKS,
)
BY_NAME = {attack.name: attack for attack in ATTACKS}
