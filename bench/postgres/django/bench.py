"""What somebody would write with Django REST framework, in one module: settings, models on the tables that are there,
serializers, views. `gunicorn bench:application` serves; DATABASE_URL and BENCH_SECRET say where and with which tokens."""

import os
import uuid
from types import SimpleNamespace
from urllib.parse import urlsplit

import django
import jwt
from django.conf import settings

url = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DEBUG=False,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": url.username,
            "HOST": url.hostname,
            "PORT": url.port,
            "OPTIONS": {"pool": True},
        }
    },
    INSTALLED_APPS=["rest_framework", "django_filters"],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ["BENCH_SECRET"],
    TIME_ZONE="UTC",
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_filters.rest_framework import DjangoFilterBackend  # noqa: E402
from rest_framework import authentication, exceptions, mixins, permissions, serializers, viewsets  # noqa: E402
from rest_framework.pagination import CursorPagination  # noqa: E402
from rest_framework.routers import SimpleRouter  # noqa: E402


class User(models.Model):
    id = models.UUIDField(primary_key=True)
    name = models.TextField()

    class Meta:
        app_label, managed, db_table = "bench", False, "user"


class Team(models.Model):
    id = models.UUIDField(primary_key=True)

    class Meta:
        app_label, managed, db_table = "bench", False, "team"


class Membership(models.Model):
    pk = models.CompositePrimaryKey("team_id", "user_id")
    team = models.ForeignKey(Team, models.CASCADE)
    user = models.ForeignKey(User, models.CASCADE)

    class Meta:
        app_label, managed, db_table = "bench", False, "team_members"


class Content(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    version = models.BigIntegerField(default=1, editable=False)
    title = models.CharField(max_length=200)
    category = models.CharField(max_length=40)
    score = models.BigIntegerField()
    published = models.DateTimeField()
    body = models.CharField(max_length=4000)

    class Meta:
        abstract = True


class Post(Content):
    class Meta:
        app_label, managed, db_table = "bench", False, "post"


class Article(Content):
    team = models.ForeignKey(Team, models.CASCADE, db_column="team")
    author = models.ForeignKey(User, models.CASCADE, db_column="author")

    class Meta:
        app_label, managed, db_table = "bench", False, "article"


CONTENT = ["id", "created", "updated", "version", "title", "category", "score", "published", "body"]


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model, fields = User, ["id", "name"]


class PostSerializer(serializers.ModelSerializer):
    class Meta:
        model, fields = Post, CONTENT


class ArticleSerializer(serializers.ModelSerializer):
    class Meta:
        model, fields = Article, [*CONTENT, "team", "author"]


class ExpandedArticleSerializer(ArticleSerializer):
    author = UserSerializer()


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return None
        try:
            claims = jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"])
        except jwt.InvalidTokenError as error:
            raise exceptions.AuthenticationFailed from error
        return SimpleNamespace(id=uuid.UUID(claims["sub"]), is_authenticated=True), token


class ByScore(CursorPagination):
    page_size, max_page_size, page_size_query_param = 30, 500, "limit"
    ordering = ("-score", "-id")


class PostViewSet(
    mixins.RetrieveModelMixin, mixins.ListModelMixin, mixins.CreateModelMixin, viewsets.GenericViewSet
):
    queryset = Post.objects.all()
    serializer_class = PostSerializer
    pagination_class = ByScore
    filter_backends = [DjangoFilterBackend]
    filterset_fields = ["category"]


class ArticleViewSet(viewsets.ReadOnlyModelViewSet):
    serializer_class = ArticleSerializer
    authentication_classes = [TokenAuthentication]
    permission_classes = [permissions.IsAuthenticated]
    pagination_class = ByScore
    filter_backends = [DjangoFilterBackend]
    filterset_fields = ["category"]

    def get_queryset(self):
        its = Membership.objects.filter(team=models.OuterRef("team"), user=self.request.user.id)
        return Article.objects.filter(models.Exists(its)).select_related("author")

    def get_serializer_class(self):
        return ExpandedArticleSerializer if self.request.query_params.get("expand") == "author" else ArticleSerializer


router = SimpleRouter()
router.register("posts", PostViewSet)
router.register("articles", ArticleViewSet, basename="article")
urlpatterns = [path("healthz", lambda _: HttpResponse()), path("", include(router.urls))]
application = get_wsgi_application()
